/* SPDX-License-Identifier: Apache-2.0 */

#include <config.h>

#include <stddef.h>

#include "bastion/drop-reasons.h"

struct drop_reason_text {
    const char *name;
    const char *explanation;
};

static const struct drop_reason_text texts[N_DROP_REASONS] = {
#define BASTION_DROP_REASON(NUMBER, SYMBOL, NAME, EXPLANATION) \
    [NUMBER] = { NAME, EXPLANATION },
    BASTION_DROP_REASONS
#undef BASTION_DROP_REASON
};

const char *
drop_reason_name(enum drop_reason reason)
{
    return reason < N_DROP_REASONS ? texts[reason].name : NULL;
}

const char *
drop_reason_explanation(enum drop_reason reason)
{
    return reason < N_DROP_REASONS ? texts[reason].explanation : NULL;
}
