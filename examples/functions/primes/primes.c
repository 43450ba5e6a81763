// Burns CPU: counts the primes up to the number on standard input with a sieve of the odd
// numbers in segments of 32 KB, and writes {"limit":N,"primes":COUNT}. Ten million take some
// tens of milliseconds.

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_MAX 10000000000ULL

enum { SEGMENT = 32 << 10 };

static int fail(const char *message) {
    fprintf(stderr, "primes: %s\n", message);
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

// The odd primes up to `limit`, at most 100,000. Returns how many.
static int small_primes(unsigned limit, unsigned *primes) {
    static unsigned char composite[100001];
    int count = 0;
    for (unsigned n = 3; n <= limit; n += 2) {
        if (composite[n])
            continue;
        primes[count++] = n;
        for (unsigned long long multiple = (unsigned long long)n * n; multiple <= limit; multiple += 2 * n)
            composite[multiple] = 1;
    }
    return count;
}

static unsigned long long count_primes(unsigned long long limit) {
    static unsigned primes[9600];
    static unsigned char composite[SEGMENT];
    if (limit < 2)
        return 0;
    int prime_count = small_primes((unsigned)sqrt((double)limit) + 1 < 100000 ? (unsigned)sqrt((double)limit) + 1 : 100000, primes);
    unsigned long long found = 1; // the number 2
    // A segment stands for the odd numbers first, first + 2, ...
    for (unsigned long long first = 3; first <= limit; first += 2 * SEGMENT) {
        unsigned long long last = first + 2 * (SEGMENT - 1);
        memset(composite, 0, sizeof composite);
        for (int i = 0; i < prime_count; i++) {
            unsigned long long prime = primes[i], multiple = prime * prime;
            if (multiple > last)
                break;
            if (multiple < first) {
                multiple = (first + prime - 1) / prime * prime;
                if (multiple % 2 == 0)
                    multiple += prime;
            }
            for (unsigned long long at = (multiple - first) / 2; at < SEGMENT; at += prime)
                composite[at] = 1;
        }
        for (int at = 0; at < SEGMENT && first + 2ULL * at <= limit; at++)
            found += !composite[at];
    }
    return found;
}

int main(void) {
    unsigned long long limit;
    if (!read_number(&limit))
        return fail("the payload is not a whole number; send one such as 100000");
    if (limit > LIMIT_MAX)
        return fail("the number is over 10000000000; send a smaller one");
    printf("{\"limit\":%llu,\"primes\":%llu}\n", limit, count_primes(limit));
    return 0;
}
