// Dashboards, recording rules and alerts as a mixin, made of ringscope's catalog of metrics.
{
  grafanaDashboards+:: {
    'ringscope-overview.json': (import '../grafana/ringscope-overview.json'),
    'ringscope-kernel.json': (import '../grafana/ringscope-kernel.json'),
    'ringscope-gpu.json': (import '../grafana/ringscope-gpu.json'),
    'ringscope-telemetry.json': (import '../grafana/ringscope-telemetry.json'),
  },
  prometheusRules+:: {
    groups+: [
      {
        "name": "ringscope-kernels",
        "rules": [
          {
            "record": "job_kernel:ringscope_kernel_messages_received:rate5m",
            "expr": "sum by (job, kernel) (rate(ringscope_kernel_messages_received_total[5m]))"
          },
          {
            "record": "job_kernel:ringscope_kernel_messages_processed:rate5m",
            "expr": "sum by (job, kernel) (rate(ringscope_kernel_messages_processed_total[5m]))"
          },
          {
            "record": "job_kernel:ringscope_kernel_errors:rate5m",
            "expr": "sum by (job, kernel) (rate(ringscope_kernel_errors_total[5m]))"
          },
          {
            "record": "job_kernel:ringscope_kernel_errors:ratio_rate5m",
            "expr": "job_kernel:ringscope_kernel_errors:rate5m\n  / (job_kernel:ringscope_kernel_errors:rate5m + job_kernel:ringscope_kernel_messages_processed:rate5m > 0)"
          },
          {
            "record": "job_kernel:ringscope_kernel_busy_ratio:avg",
            "expr": "avg by (job, kernel) (ringscope_kernel_busy_ratio)"
          },
          {
            "record": "job_kernel:ringscope_kernel_queue_depth:sum",
            "expr": "sum by (job, kernel) (ringscope_kernel_queue_depth)"
          },
          {
            "record": "job_kernel_state:ringscope_kernel_state:sum",
            "expr": "sum by (job, kernel, state) (ringscope_kernel_state)"
          }
        ]
      },
      {
        "name": "ringscope-durations",
        "rules": [
          {
            "record": "job_kernel:ringscope_kernel_message_duration_nanoseconds:rate5m",
            "expr": "sum by (job, kernel) (rate(ringscope_kernel_message_duration_nanoseconds[5m]))"
          },
          {
            "record": "job_kernel:ringscope_kernel_message_duration_nanoseconds:p50_rate5m",
            "expr": "histogram_quantile(0.50, job_kernel:ringscope_kernel_message_duration_nanoseconds:rate5m)"
          },
          {
            "record": "job_kernel:ringscope_kernel_message_duration_nanoseconds:p95_rate5m",
            "expr": "histogram_quantile(0.95, job_kernel:ringscope_kernel_message_duration_nanoseconds:rate5m)"
          },
          {
            "record": "job_kernel:ringscope_kernel_message_duration_nanoseconds:p99_rate5m",
            "expr": "histogram_quantile(0.99, job_kernel:ringscope_kernel_message_duration_nanoseconds:rate5m)"
          }
        ]
      },
      {
        "name": "ringscope-jobs",
        "rules": [
          {
            "record": "job:ringscope_kernels:sum",
            "expr": "sum by (job) (ringscope_kernels)"
          },
          {
            "record": "job:ringscope_tasks_executed:rate5m",
            "expr": "sum by (job) (rate(ringscope_tasks_executed_total[5m]))"
          },
          {
            "record": "job:ringscope_tasks_failed:rate5m",
            "expr": "sum by (job) (rate(ringscope_tasks_failed_total[5m]))"
          },
          {
            "record": "job:ringscope_tasks_pending:sum",
            "expr": "sum by (job) (ringscope_tasks_pending)"
          },
          {
            "record": "job:ringscope_snapshot_timestamp_seconds:min",
            "expr": "min by (job) (ringscope_snapshot_timestamp_seconds)"
          }
        ]
      },
      {
        "name": "ringscope-gpus",
        "rules": [
          {
            "record": "job:ringscope_gpu_utilization_ratio:avg",
            "expr": "avg by (job) (ringscope_gpu_utilization_ratio)"
          },
          {
            "record": "job:ringscope_gpu_memory_used_bytes:sum",
            "expr": "sum by (job) (ringscope_gpu_memory_used_bytes)"
          },
          {
            "record": "job:ringscope_gpu_power_watts:sum",
            "expr": "sum by (job) (ringscope_gpu_power_watts)"
          }
        ]
      }
    ]
  },
  prometheusAlerts+:: {
    groups+: [
      {
        "name": "ringscope-kernel-alerts",
        "rules": [
          {
            "alert": "RingscopeKernelStalled",
            "expr": "time() - ringscope_kernel_stalled_timestamp_seconds > 0",
            "for": "0m",
            "labels": {
              "severity": "critical"
            },
            "annotations": {
              "summary": "A block of kernel {{ $labels.kernel }} has stopped moving",
              "description": "For {{ $value | humanizeDuration }} the block has come to no other place. `/stuck` of {{ $labels.instance }} says where its blocks are and what they wait for."
            }
          },
          {
            "alert": "RingscopeKernelFailed",
            "expr": "ringscope_kernel_state{state=\"failed\"} == 1",
            "for": "0m",
            "labels": {
              "severity": "critical"
            },
            "annotations": {
              "summary": "Kernel {{ $labels.kernel }} has failed",
              "description": "It ended by an error of the device. Its last numbers are still on the page of {{ $labels.instance }}."
            }
          },
          {
            "alert": "RingscopeKernelSilent",
            "expr": "time() - ringscope_kernel_last_sign_of_life_timestamp_seconds > 60 and ignoring (state) ringscope_kernel_state{state=\"active\"} == 1",
            "for": "1m",
            "labels": {
              "severity": "critical"
            },
            "annotations": {
              "summary": "Kernel {{ $labels.kernel }} is active and gives no sign of life",
              "description": "None of its blocks has had a heartbeat for {{ $value | humanizeDuration }}."
            }
          },
          {
            "alert": "RingscopeKernelErrors",
            "expr": "sum by (job, instance, kernel) (rate(ringscope_kernel_errors_total[5m]))\n  / (sum by (job, instance, kernel) (rate(ringscope_kernel_errors_total[5m]) + rate(ringscope_kernel_messages_processed_total[5m])) > 0)\n  > 0.05",
            "for": "5m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "Kernel {{ $labels.kernel }} refuses messages",
              "description": "It refuses {{ $value | humanizePercentage }} of them; the limit is 5 %."
            }
          },
          {
            "alert": "RingscopeKernelSlow",
            "expr": "(\n  histogram_quantile(0.99, sum by (job, instance, kernel) (rate(ringscope_kernel_message_duration_nanoseconds[5m]))) / 1e9\n  or histogram_quantile(0.99, sum by (job, instance, kernel, le) (rate(ringscope_kernel_message_duration_seconds_bucket[5m])))\n) > 0.1",
            "for": "5m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "Kernel {{ $labels.kernel }} takes long to handle messages",
              "description": "One of a hundred messages takes longer than {{ $value | humanizeDuration }}; the limit is 100 ms."
            }
          },
          {
            "alert": "RingscopeKernelQueueFull",
            "expr": "rate(ringscope_kernel_queue_full_total[5m]) > 0",
            "for": "10m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "The queue of kernel {{ $labels.kernel }} is full again and again",
              "description": "{{ $value | printf \"%.3g\" }} sends a second find it full, and wait or are refused."
            }
          },
          {
            "alert": "RingscopeKernelDropped",
            "expr": "increase(ringscope_kernel_dropped_total[15m]) > 0",
            "for": "0m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "Kernel {{ $labels.kernel }} was stopped with messages in its queues",
              "description": "{{ $value | printf \"%.0f\" }} messages or replies were lost."
            }
          }
        ]
      },
      {
        "name": "ringscope-operation-alerts",
        "rules": [
          {
            "alert": "RingscopeOperationsFail",
            "expr": "sum by (job, instance, name) (rate(event_total{status=\"failed\"}[5m]))\n  / (sum by (job, instance, name) (rate(event_total[5m])) > 0)\n  > 0.05",
            "for": "5m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "Operations {{ $labels.name }} fail",
              "description": "{{ $value | humanizePercentage }} of them fail; the limit is 5 %."
            }
          },
          {
            "alert": "RingscopeNetworkFails",
            "expr": "sum by (job, instance, kind, peer) (rate(network_operations_total{status=\"failed\"}[5m]))\n  / (sum by (job, instance, kind, peer) (rate(network_operations_total[5m])) > 0)\n  > 0.05",
            "for": "5m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "Network operations with {{ $labels.peer }} fail",
              "description": "{{ $value | humanizePercentage }} of those of kind {{ $labels.kind }} fail; the limit is 5 %."
            }
          }
        ]
      },
      {
        "name": "ringscope-resource-alerts",
        "rules": [
          {
            "alert": "RingscopeCpuBusy",
            "expr": "ringscope_system_cpu_utilization_ratio > 0.95",
            "for": "15m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "The processors of {{ $labels.instance }} are busy",
              "description": "They work {{ $value | humanizePercentage }} of the time; what reads the kernels may come too late."
            }
          },
          {
            "alert": "RingscopeGpuMemoryFull",
            "expr": "ringscope_gpu_memory_used_bytes / ringscope_gpu_memory_total_bytes > 0.95",
            "for": "5m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "The memory of GPU {{ $labels.gpu }} of {{ $labels.instance }} is nearly full",
              "description": "{{ $value | humanizePercentage }} of it are in use, by all processes together."
            }
          },
          {
            "alert": "RingscopeGpuHot",
            "expr": "ringscope_gpu_temperature_celsius > 85",
            "for": "5m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "GPU {{ $labels.gpu }} of {{ $labels.instance }} is hot",
              "description": "It has {{ $value | printf \"%.0f\" }} °C."
            }
          },
          {
            "alert": "RingscopeGpuThrottled",
            "expr": "ringscope_gpu_throttled == 1",
            "for": "15m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "GPU {{ $labels.gpu }} of {{ $labels.instance }} runs with throttled clocks",
              "description": "For heat, power or by a setting: nvidia-smi -q -d PERFORMANCE says which."
            }
          },
          {
            "alert": "RingscopeGpuMemoryErrors",
            "expr": "increase(ringscope_gpu_ecc_errors_uncorrected_total[1h]) > 0",
            "for": "0m",
            "labels": {
              "severity": "critical"
            },
            "annotations": {
              "summary": "GPU {{ $labels.gpu }} of {{ $labels.instance }} has memory errors that ECC could not correct",
              "description": "{{ $value | printf \"%.0f\" }} within an hour. What it computed may be wrong."
            }
          }
        ]
      },
      {
        "name": "ringscope-telemetry-alerts",
        "rules": [
          {
            "alert": "RingscopeProcessGone",
            "expr": "up == 0 and on (job, instance) last_over_time(ringscope_snapshot_timestamp_seconds[1h])",
            "for": "1m",
            "labels": {
              "severity": "critical"
            },
            "annotations": {
              "summary": "{{ $labels.instance }} is no longer scraped",
              "description": "It showed telemetry within the last hour, and does not answer now."
            }
          },
          {
            "alert": "RingscopeAbsent",
            "expr": "absent(ringscope_snapshot_timestamp_seconds)",
            "for": "5m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "Nobody shows telemetry",
              "description": "Prometheus has no process with ringscope at all: is it scraped?"
            }
          },
          {
            "alert": "RingscopeSnapshotStale",
            "expr": "time() - ringscope_snapshot_timestamp_seconds > 120",
            "for": "1m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "{{ $labels.instance }} shows an old snapshot",
              "description": "It is {{ $value | humanizeDuration }} old: something has stopped reading the kernels."
            }
          },
          {
            "alert": "RingscopeCollectionFails",
            "expr": "increase(telemetry_collection_failures_total[10m]) > 0",
            "for": "0m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "{{ $labels.instance }} cannot read its kernels",
              "description": "{{ $value | printf \"%.0f\" }} snapshots failed within ten minutes because of a device error."
            }
          },
          {
            "alert": "RingscopeCollectionSlow",
            "expr": "histogram_quantile(0.99, sum by (job, instance, le) (rate(telemetry_collection_duration_seconds_bucket[5m]))) > 1",
            "for": "5m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "Snapshots of {{ $labels.instance }} take long",
              "description": "One of a hundred takes longer than {{ $value | humanizeDuration }}; the limit is one second."
            }
          },
          {
            "alert": "RingscopeTelemetryDropped",
            "expr": "increase(telemetry_dropped_total{what!=\"history\"}[15m]) > 0",
            "for": "0m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "{{ $labels.instance }} drops telemetry: {{ $labels.what }}",
              "description": "{{ $value | printf \"%.0f\" }} within 15 minutes, because a bounded list or queue was full."
            }
          },
          {
            "alert": "RingscopeTraceRecordsLost",
            "expr": "increase(ringscope_kernel_trace_records_lost_total[15m]) > 0",
            "for": "0m",
            "labels": {
              "severity": "info"
            },
            "annotations": {
              "summary": "Events of kernel {{ $labels.kernel }} are overwritten before they are read",
              "description": "{{ $value | printf \"%.0f\" }} records within 15 minutes: larger rings, a filter, or shorter intervals help."
            }
          },
          {
            "alert": "RingscopeValuesDropped",
            "expr": "increase(ringscope_values_dropped_total[15m]) > 0",
            "for": "0m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "The histogram {{ $labels.metric }} of {{ $labels.instance }} is given values that it cannot count",
              "description": "{{ $value | printf \"%.0f\" }} within 15 minutes were not finite or out of its range."
            }
          },
          {
            "alert": "RingscopeHookPanics",
            "expr": "increase(telemetry_hook_panics_total[15m]) > 0",
            "for": "0m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "Hooks of {{ $labels.instance }} panic",
              "description": "{{ $value | printf \"%.0f\" }} calls within 15 minutes."
            }
          },
          {
            "alert": "RingscopeDestinationDown",
            "expr": "telemetry_publish_circuit_open == 1",
            "for": "5m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "{{ $labels.instance }} cannot publish to {{ $labels.destination }}",
              "description": "Too many attempts in a row failed; it tries again now and then, and what is not sent waits in a queue."
            }
          },
          {
            "alert": "RingscopePublishingDrops",
            "expr": "increase(telemetry_publish_dropped_total[15m]) > 0",
            "for": "0m",
            "labels": {
              "severity": "warning"
            },
            "annotations": {
              "summary": "{{ $labels.instance }} drops what it should publish to {{ $labels.destination }}: {{ $labels.reason }}",
              "description": "{{ $value | printf \"%.0f\" }} items within 15 minutes."
            }
          }
        ]
      }
    ]
  },
}
