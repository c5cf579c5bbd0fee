/* A host in C that is its own actor: it counts what it does, and reads it by fields, as JSON and as a page for Prometheus.
 *
 *     cc -std=c99 host_actor.c $(pkg-config --cflags --libs ringscope) -o host_actor
 */
#include <inttypes.h>
#include <ringscope.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the program with what the library says, where a call was not done. */
static void check(ringscope_result result, const char *what) {
    if (result == RINGSCOPE_RESULT_OK) return;
    fprintf(stderr, "%s: %s\n", what, ringscope_last_error());
    exit(1);
}
#define CHECK(call) check((call), #call)

/* Prints the lines of a page that begin with this. */
static void print_lines(const char *page, const char *begin) {
    const char *line = page;
    while (line != NULL && *line != '\0') {
        const char *end = strchr(line, '\n');
        size_t length = end == NULL ? strlen(line) : (size_t)(end - line);
        if (strncmp(line, begin, strlen(begin)) == 0) printf("%.*s\n", (int)length, line);
        line = end == NULL ? NULL : end + 1;
    }
}

int main(void) {
    ringscope_config config;
    memset(&config, 0, sizeof config);
    config.size = sizeof config;
    config.device = RINGSCOPE_DEVICE_HOST;

    ringscope_collector *collector;
    CHECK(ringscope_open(RINGSCOPE_C_ABI, &config, &collector));

    ringscope_device_fields device;
    memset(&device, 0, sizeof device);
    device.size = sizeof device;
    CHECK(ringscope_device_read(collector, &device));
    printf("on device %" PRIu32 ": %s\n", device.device, device.name);

    /* An actor is registered with its first record. */
    for (int message = 0; message < 100; ++message) {
        CHECK(ringscope_record_received(collector, "parser"));
        if (message % 10 == 9) {
            CHECK(ringscope_record_error(collector, "parser", "no such table"));
        } else {
            CHECK(ringscope_record_processed(collector, "parser", 4000000));
            CHECK(ringscope_record_sent(collector, "parser"));
        }
    }

    /* A metric of its own. */
    ringscope_metric_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.kind = RINGSCOPE_METRIC_COUNTER;
    options.name = "cache_hits";
    options.help = "Cache hits";
    const ringscope_label labels[] = {{"table", "users"}};
    options.labels = labels;
    options.label_count = 1;
    ringscope_host_metric *hits;
    CHECK(ringscope_host_metric_register(collector, &options, &hits));
    CHECK(ringscope_host_metric_add(hits, 42));

    /* Everything at this instant, by its fields. */
    ringscope_snapshot *snapshot;
    CHECK(ringscope_snapshot_take(collector, &snapshot));
    size_t index;
    CHECK(ringscope_snapshot_find(snapshot, "parser", &index));
    ringscope_kernel_fields parser;
    memset(&parser, 0, sizeof parser);
    parser.size = sizeof parser;
    CHECK(ringscope_snapshot_kernel(snapshot, index, &parser));
    printf("%s: %" PRIu64 " received, %" PRIu64 " processed, %" PRIu64 " errors (the last: %s), p50 %.1f ms\n", parser.id,
           parser.messages_received, parser.messages_processed, parser.errors, parser.last_error,
           parser.handling.p50_ns / 1e6);

    /* The same as text, of which the caller owns one and has the other in a buffer of its own. */
    char *json;
    CHECK(ringscope_snapshot_text(snapshot, RINGSCOPE_FORMAT_JSON_SUMS, &json));
    printf("%s\n", json);
    CHECK(ringscope_string_free(json));

    size_t bytes;
    if (ringscope_snapshot_write(snapshot, RINGSCOPE_FORMAT_PROMETHEUS, NULL, 0, &bytes) != RINGSCOPE_RESULT_TOO_SMALL) return 1;
    char *page = malloc(bytes + 1);
    if (page == NULL) return 1;
    CHECK(ringscope_snapshot_write(snapshot, RINGSCOPE_FORMAT_PROMETHEUS, page, bytes + 1, &bytes));
    print_lines(page, "ringscope_kernel_messages_received_total");
    print_lines(page, "cache_hits_total");
    free(page);

    CHECK(ringscope_snapshot_free(snapshot));
    CHECK(ringscope_host_metric_free(hits));
    CHECK(ringscope_close(collector));
    /* A handle that was ended is an error, and nothing worse. */
    if (ringscope_close(collector) != RINGSCOPE_RESULT_BAD_HANDLE) return 1;
    printf("closed: %s\n", ringscope_last_error());
    return 0;
}
