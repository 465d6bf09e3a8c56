/* SPDX-License-Identifier: Apache-2.0 */

#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H 1

#include <stddef.h>
#include <stdint.h>

/* What a fuzz target defines and its driver, libFuzzer or replay.c, calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* tests/fuzz/fuzz.h */
