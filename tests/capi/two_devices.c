// Two devices in one collector: a kernel on each, a metric of both, and many lives of one of them. No kernel is launched.
#include <ringscope.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(ringscope_result result, const char *what) {
    if (result == RINGSCOPE_RESULT_OK) return;
    fprintf(stderr, "%s: %s\n", what, ringscope_last_error());
    exit(1);
}

static void put_on(ringscope_collector *collector, const char *id, uint32_t device, ringscope_kernel_ref *to) {
    ringscope_kernel kernel;
    memset(&kernel, 0, sizeof kernel);
    kernel.size = sizeof kernel;
    kernel.id = id;
    kernel.shards = 4;
    kernel.device = device;
    check(ringscope_register(collector, &kernel, to), id);
}

int main(void) {
    const ringscope_device_choice devices[2] = {{RINGSCOPE_DEVICE_HOST, 0}, {RINGSCOPE_DEVICE_HOST, 0}};
    ringscope_collector *collector;
    ringscope_snapshot *snapshot;
    ringscope_config config;
    memset(&config, 0, sizeof config);
    config.size = sizeof config;
    config.devices = devices;
    config.device_count = 2;
    config.max_kernels = 2;
    config.max_blocks = 4;
    check(ringscope_open(RINGSCOPE_C_ABI, &config, &collector), "open");

    ringscope_kernel_ref left, right;
    put_on(collector, "left", 0, &left);
    put_on(collector, "right", 1, &right);
    ringscope_metric_options options;
    ringscope_metric steps[2];
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = RINGSCOPE_METRIC_COUNTER;
    options.name = "steps";
    options.help = "Steps";
    check(ringscope_device_metrics(collector, &options, steps, 2), "steps");
    if (steps[0].index != steps[1].index || left.shards == right.shards) return 2;

    // Far more lives than there are places.
    for (int life = 2; life <= 50; ++life) {
        check(ringscope_retire(collector, "right"), "retire");
        put_on(collector, "right", 1, &right);
    }

    check(ringscope_snapshot_take(collector, &snapshot), "snapshot");
    ringscope_snapshot_fields all;
    all.size = sizeof all;
    check(ringscope_snapshot_read(snapshot, &all), "read");
    for (size_t i = 0; i < all.kernels; ++i) {
        ringscope_kernel_fields kernel;
        kernel.size = sizeof kernel;
        check(ringscope_snapshot_kernel(snapshot, i, &kernel), "kernel");
        printf("%s: device %u, life %llu\n", kernel.id, (unsigned)kernel.device, (unsigned long long)kernel.generation);
    }
    for (size_t i = 0; i < all.devices; ++i) {
        ringscope_device_reading reading;
        reading.size = sizeof reading;
        check(ringscope_snapshot_device(snapshot, i, &reading), "device");
        printf("device %u: kind %u, %s\n", (unsigned)i, (unsigned)reading.device, reading.readable ? "read" : reading.error);
    }
    check(ringscope_snapshot_free(snapshot), "free");
    check(ringscope_close(collector), "close");
    return 0;
}
