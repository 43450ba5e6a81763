// Waits as many milliseconds as standard input says, then writes {"waited_ms":N}. Waiting costs
// wall time and no CPU, as a function does that calls another service.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WAIT_MAX_MS = 900000 }; // 15 minutes, the longest a Lambda function may run

static int fail(const char *message) {
    fprintf(stderr, "wait: %s\n", message);
    return 1;
}

// Reads one whole number and nothing else; returns 0 when there is something else.
static int read_number(unsigned long long *number) {
    char text[32];
    size_t length = fread(text, 1, sizeof text - 1, stdin);
    text[length] = '\0';
    if (text[0] < '0' || text[0] > '9')
        return 0;
    char *end;
    *number = strtoull(text, &end, 10);
    return end[strspn(end, " \r\n")] == '\0';
}

int main(void) {
    unsigned long long milliseconds;
    if (!read_number(&milliseconds))
        return fail("the payload is not a whole number of milliseconds; send one such as 50");
    if (milliseconds > WAIT_MAX_MS)
        return fail("the wait is over 900000 milliseconds; send a shorter one");
    struct timespec wait = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000};
    if (nanosleep(&wait, NULL) != 0)
        return fail("the wait was interrupted");
    printf("{\"waited_ms\":%llu}\n", milliseconds);
    return 0;
}
