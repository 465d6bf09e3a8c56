/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TEST_RANDOM_H
#define TEST_RANDOM_H 1

/* Reproducible random numbers for property tests.
 *
 * Call test_random_init() first.  It prints the seed, and takes it from the
 * environment variable BASTION_TEST_SEED if that is set, so that a failure can
 * be repeated. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "random.h"

static inline void
test_random_init(const char *test)
{
    const char *text = getenv("BASTION_TEST_SEED");
    uint32_t seed = text ? strtoul(text, NULL, 0) : time(NULL) ^ getpid();

    seed = seed ? seed : 1;
    printf("# %s: repeat with BASTION_TEST_SEED=%u\n", test, (unsigned) seed);
    fflush(stdout);
    random_set_seed(seed);
}

#endif /* tests/test-random.h */
