/* The smallest programs there can be, so that what is measured is what is around them:
 * `runtime` speaks the Lambda Runtime API and replies with its payload or,
 * for `spin`, never; `echo` sends back what it gets on a socket. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static char buffer[1 << 16];

static int dial(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1, peer = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(peer, (struct sockaddr *)&address, sizeof address) < 0) exit(1);
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return peer;
}

static void send_all(int peer, const char *from, size_t length) {
    while (length > 0) {
        ssize_t sent = write(peer, from, length);
        if (sent <= 0) exit(1);
        from += sent;
        length -= sent;
    }
}

/* Reads one reply; its head and body are in the buffer. Returns where the body begins. */
static char *reply(int peer, size_t *length) {
    size_t have = 0;
    char *body = NULL;
    for (;;) {
        /* Not read(2): gVisor of 2022 has it fail with EAGAIN on sockets of the host that block. */
        ssize_t got = recv(peer, buffer + have, sizeof buffer - 1 - have, 0);
        if (got <= 0) exit(0);
        have += got;
        buffer[have] = 0;
        if (!body && (body = strstr(buffer, "\r\n\r\n"))) {
            char *field = strcasestr(buffer, "content-length:");
            *length = field && field < body ? strtoul(field + 15, NULL, 10) : 0;
            body += 4;
        }
        if (body && have >= (size_t)(body - buffer) + *length) return body;
    }
}

static void runtime(void) {
    static const char next[] = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: api\r\n\r\n";
    static char answer[1 << 16];
    char id[128];
    size_t length;
    int peer = dial(atoi(strchr(getenv("AWS_LAMBDA_RUNTIME_API"), ':') + 1));
    for (;;) {
        send_all(peer, next, sizeof next - 1);
        char *body = reply(peer, &length);
        char *field = strcasestr(buffer, "lambda-runtime-aws-request-id: ");
        if (length >= 4 && !memcmp(body, "spin", 4)) for (;;) {}
        if (!field || sscanf(field + 31, "%127[^\r]", id) != 1) exit(1);
        int head = snprintf(answer, sizeof answer,
            "POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: api\r\nContent-Length: %zu\r\n\r\n", id, length);
        memcpy(answer + head, body, length);
        send_all(peer, answer, head + length);
        reply(peer, &length);
    }
}

static void echo(int port) {
    int peer = dial(port);
    for (;;) {
        ssize_t got = read(peer, buffer, sizeof buffer);
        if (got <= 0) exit(0);
        send_all(peer, buffer, got);
    }
}

int main(int count, char **arguments) {
    if (count > 2) echo(atoi(arguments[2]));
    runtime();
}
