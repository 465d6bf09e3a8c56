/* SPDX-License-Identifier: Apache-2.0 */

/* Gives the files named on the command line to a fuzz target, once each, in
 * builds without libFuzzer. */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "openvswitch/util.h"
#include "tests/fuzz/fuzz.h"
#include "util.h"

enum { MAX_INPUT_SIZE = 65536 };

int
main(int argc, char *argv[])
{
    set_program_name(argv[0]);
    for (int i = 1; i < argc; i++) {
        FILE *file = fopen(argv[i], "r");
        if (!file) {
            ovs_fatal(errno, "%s", argv[i]);
        }

        /* A copy of exactly the input's size, for AddressSanitizer. */
        static uint8_t buffer[MAX_INPUT_SIZE];
        size_t size = fread(buffer, 1, sizeof buffer, file);
        uint8_t *data = xmemdup(buffer, size);

        fclose(file);
        LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    printf("%d inputs\n", argc - 1);
    return 0;
}
