/* The reference in C: subscribes by libmosquitto and only counts. Prints messages, wall and CPU seconds.
 *
 *     drain PORT MESSAGES QOS
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

/* What is needed of mosquitto.h: distributions put it into a package of its own. */
struct mosquitto;
struct mosquitto_message;
int mosquitto_lib_init(void);
struct mosquitto *mosquitto_new(const char *id, int clean_session, void *data);
int mosquitto_connect(struct mosquitto *m, const char *host, int port, int keepalive);
int mosquitto_subscribe(struct mosquitto *m, int *mid, const char *filter, int qos);
int mosquitto_loop_forever(struct mosquitto *m, int timeout, int max_packets);
int mosquitto_int_option(struct mosquitto *m, int option, int value);
void mosquitto_connect_callback_set(struct mosquitto *m, void (*f)(struct mosquitto *, void *, int));
void mosquitto_subscribe_callback_set(struct mosquitto *m,
    void (*f)(struct mosquitto *, void *, int, int, const int *));
void mosquitto_message_callback_set(struct mosquitto *m,
    void (*f)(struct mosquitto *, void *, const struct mosquitto_message *));
enum { PROTOCOL_VERSION = 1, MQTT_5 = 5 };

static long wanted, count;
static int qos;
static double began_wall, began_cpu;

static double wall_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu_s(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static void connected(struct mosquitto *m, void *data, int code) {
    (void)data;
    if (code) exit(2);
    mosquitto_subscribe(m, NULL, "v1/vehicles/+/telemetry", qos);
}

static void subscribed(struct mosquitto *m, void *data, int mid, int granted, const int *codes) {
    (void)m, (void)data, (void)mid, (void)granted, (void)codes;
    fprintf(stderr, "ready\n");
}

static void heard(struct mosquitto *m, void *data, const struct mosquitto_message *message) {
    (void)m, (void)data, (void)message;
    if (count++ == 0) began_wall = wall_s(), began_cpu = cpu_s();
    if (count < wanted) return;
    printf("{\"messages\": %ld, \"wall_s\": %.6f, \"cpu_s\": %.6f}\n", count, wall_s() - began_wall,
        cpu_s() - began_cpu);
    fflush(stdout);
    exit(0);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    wanted = atol(argv[2]);
    qos = atoi(argv[3]);
    mosquitto_lib_init();
    struct mosquitto *m = mosquitto_new("drain", 1, NULL);
    mosquitto_int_option(m, PROTOCOL_VERSION, MQTT_5);
    mosquitto_connect_callback_set(m, connected);
    mosquitto_subscribe_callback_set(m, subscribed);
    mosquitto_message_callback_set(m, heard);
    if (mosquitto_connect(m, "127.0.0.1", atoi(argv[1]), 60)) return 2;
    return mosquitto_loop_forever(m, -1, 1);
}
