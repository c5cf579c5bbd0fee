"""An OTLP receiver by gRPC's own Python library.

grpc_server.py table         answers each request in another way
grpc_server.py busy          is not there yet for two requests, and takes the rest
grpc_server.py busy KEY CERT the same with TLS
"""

import sys
from concurrent import futures

import grpc
from google.protobuf import any_pb2, duration_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc

BUSY = sys.argv[1] == "busy"


def field(number, content):
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def exhausted(context, details):
    if details:
        delay = duration_pb2.Duration(seconds=7).SerializeToString()
        info = any_pb2.Any(type_url="type.googleapis.com/google.rpc.RetryInfo", value=field(1, delay))
        status = b"\x08\x08" + field(2, b"later") + field(3, info.SerializeToString())
        context.set_trailing_metadata((("grpc-status-details-bin", status),))
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "later")


class Service(metrics_service_pb2_grpc.MetricsServiceServicer):
    served = 0

    def Export(self, request, context):
        Service.served += 1
        points = sum(1 for r in request.resource_metrics for s in r.scope_metrics for _ in s.metrics)
        key = dict(context.invocation_metadata()).get("api-key")
        print("took", points, key, flush=True)
        response = metrics_service_pb2.ExportMetricsServiceResponse()
        if Service.served == 1 or (BUSY and Service.served == 2):
            context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
        elif BUSY:
            return response
        elif Service.served == 2:
            exhausted(context, True)
        elif Service.served == 3:
            exhausted(context, False)
        elif Service.served == 4:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no")
        elif Service.served == 5:
            response.partial_success.rejected_data_points = 3
            response.partial_success.error_message = "too old"
        return response


server = grpc.server(futures.ThreadPoolExecutor(1))
metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Service(), server)
if len(sys.argv) > 2:
    key, certificate = (open(path, "rb").read() for path in sys.argv[2:])
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, certificate)]))
else:
    port = server.add_insecure_port("127.0.0.1:0")
server.start()
print("port", port, flush=True)
sys.stdin.read()
