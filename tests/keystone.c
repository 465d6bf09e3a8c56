/* SPDX-License-Identifier: Apache-2.0 */

/* Keystone test
 * =============
 *
 * Builds random databases and asks of every random packet what must happen to
 * it: once the simulator, which looks at the netmap and the depmap, and once
 * ovs-vswitchd, which has the flows.  They must agree.  And after every
 * random change of a database, the flows that the compiler arrived at step by
 * step must be those that it compiles from nothing.
 *
 * The same goes for the fast path's programs and maps: see keystone-bpf.h.
 *
 * The part with packets needs a running ovs-vswitchd with bridges "br0" and
 * "br1" on the dummy datapath, with ports 1 to 48 each and meters 1 to 3; see
 * tests/keystone.at. */

#include <config.h>

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command-line.h"
#include "controller/compiler.h"
#include "controller/flow-table.h"
#include "controller/map-table.h"
#include "controller/pipeline.h"
#include "controller/policy-sim.h"
#include "fatal-signal.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "random.h"
#include "tests/keystone-bpf.h"
#include "tests/keystone-ovs.h"
#include "tests/keystone-packet.h"
#include "tests/keystone-world.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

struct keystone {
    uint32_t seed;
    unsigned int n_packets;
    unsigned int n_bpf_packets;
    unsigned int n_networks;
    unsigned int n_changes;

    /* Coverage, printed at the end. */
    unsigned int n_delivered, n_arp, n_nd, n_audited;
    unsigned int n_reasons[N_DROP_REASONS];
};

/* Packets for one state of a world. */
#define PACKETS_PER_STEP 40

/* Changes of one world before the next one. */
#define CHANGES_PER_WORLD 400
#define STEPS_PER_WORLD 25

static const char *const bridges[WORLD_N_BRIDGES] = { "br0", "br1" };

/* Incremental against recompute. */

OVS_NO_RETURN OVS_PRINTF_FORMAT(2, 3) static void
fail(const struct keystone *k, const char *format, ...)
{
    va_list args;

    printf("FAILED (seed %"PRIu32"): ", k->seed);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    exit(EXIT_FAILURE);
}

static void
check_same_flows(const struct keystone *k, const struct compiler *a,
                 const struct compiler *b, const char *what,
                 const char *change)
{
    for (size_t i = 0; i < WORLD_N_BRIDGES; i++) {
        const struct flow_table *fa = compiler_get_flows(a, bridges[i]);
        const struct flow_table *fb = compiler_get_flows(b, bridges[i]);
        struct ds diff = DS_EMPTY_INITIALIZER;

        if (!fa != !fb) {
            fail(k, "after %s: %s: flow table of %s exists only %s", change,
                 what, bridges[i], fa ? "before" : "after");
        } else if (fa && flow_table_diff(fa, fb, &diff)) {
            fail(k, "after %s: %s of %s changes flows\n%s", change, what,
                 bridges[i], ds_cstr(&diff));
        }
        ds_destroy(&diff);
    }
}

struct map_check {
    const struct map_table *other;
    size_t n_missing;
};

static void
check_map_entry(enum map_id map, const void *key, const void *value,
                void *check_)
{
    struct map_check *check = check_;

    check->n_missing += !map_table_contains(check->other, map, key, value);
}

static void
check_same_maps(const struct keystone *k, struct compiler *a,
                struct compiler *b, const char *what, const char *change)
{
    struct map_table *ma = compiler_get_maps(a);
    struct map_table *mb = compiler_get_maps(b);
    struct map_check check = { .other = mb };

    map_table_for_each(ma, check_map_entry, &check);
    for (int map = 0; map < MAP_N; map++) {
        if (check.n_missing || ma->n[map] != mb->n[map]) {
            fail(k, "after %s: %s changes map \"%s\": %"PRIuSIZE" entries, "
                 "then %"PRIuSIZE", missing in any map %"PRIuSIZE, change,
                 what, map_name(map), ma->n[map], mb->n[map],
                 check.n_missing);
        }
    }
}

struct status_check {
    const struct keystone *k;
    const struct compiler *other;
    const char *change;
};

static void
check_status(const struct uuid *uuid, const char *status, void *check_)
{
    const struct status_check *check = check_;
    const char *other = compiler_get_status(check->other, uuid);

    if (!status || !other || strcmp(status, other)) {
        fail(check->k, "after %s: status of "UUID_FMT" is \"%s\", "
             "compiled from nothing \"%s\"", check->change, UUID_ARGS(uuid),
             other ? other : "(null)", status ? status : "(null)");
    }
}

static void
check_incremental(const struct keystone *k, const struct world *w,
                  const char *change)
{
    struct compiler *c = world_compiler(w);
    struct compiler *clone = compiler_clone(c);
    struct status_check check = { k, c, change };
    struct compiler_usage a, b;

    check_same_flows(k, c, clone, "compiling from nothing", change);
    check_same_maps(k, c, clone, "compiling from nothing", change);
    compiler_for_each_new_status(clone, check_status, &check);
    compiler_get_usage(c, &a);
    compiler_get_usage(clone, &b);
    if (a.n_networks != b.n_networks || a.n_services != b.n_services
        || a.n_containers != b.n_containers
        || a.n_dependencies != b.n_dependencies
        || a.n_refused != b.n_refused) {
        fail(k, "after %s: compiling from nothing gives %"PRIuSIZE"/%"PRIuSIZE
             "/%"PRIuSIZE"/%"PRIuSIZE" rows, %"PRIuSIZE" refused, "
             "instead of %"PRIuSIZE"/%"PRIuSIZE"/%"PRIuSIZE"/%"PRIuSIZE
             ", %"PRIuSIZE, change, b.n_networks, b.n_services,
             b.n_containers, b.n_dependencies, b.n_refused, a.n_networks,
             a.n_services, a.n_containers, a.n_dependencies, a.n_refused);
    }

    compiler_recompute(c);
    check_same_flows(k, c, clone, "recompute", change);
    check_same_maps(k, c, clone, "recompute", change);
    check.other = c;
    compiler_destroy(clone);
}

static void
commit_flows(const struct compiler *c)
{
    for (size_t i = 0; i < WORLD_N_BRIDGES; i++) {
        struct flow_table *flows = compiler_get_flows(c, bridges[i]);

        if (flows && flow_table_has_changes(flows)) {
            flow_table_commit(flows);
        }
    }
}

/* A new controller that reads what the old one wrote comes to the same. */
static void
check_restart(const struct keystone *k, struct world *w)
{
    struct compiler *old = world_restart(w);

    compiler_run(world_compiler(w));
    check_same_flows(k, old, world_compiler(w), "restart", "restart");
    check_same_maps(k, old, world_compiler(w), "restart", "restart");
    compiler_destroy(old);
}

static void
run_changes(struct keystone *k)
{
    long long int start = time_msec();
    unsigned int n_refused = 0;

    for (unsigned int done = 0; done < k->n_changes; ) {
        struct world *w = world_create(1 + pick(k->n_networks),
                                       4 + pick(40));

        compiler_run(world_compiler(w));
        check_incremental(k, w, "creation");
        for (int i = 0; i < CHANGES_PER_WORLD && done < k->n_changes;
             i++, done++) {
            const char *change = world_change(w);

            compiler_run(world_compiler(w));
            check_incremental(k, w, change);

            struct compiler_usage usage;
            compiler_get_usage(world_compiler(w), &usage);
            n_refused += usage.n_refused;
            if (chance(30)) {
                commit_flows(world_compiler(w));
            }
            if (chance(5)) {
                check_restart(k, w);
            }
        }
        world_destroy(w);
    }

    long long int elapsed = MAX(time_msec() - start, 1);
    printf("%u changes in %lld ms, %lld/s; %u rows refused on average\n",
           k->n_changes, elapsed, k->n_changes * 1000LL / elapsed,
           k->n_changes ? n_refused / k->n_changes : 0);
}

/* Simulator against switch. */

static bool
arp_reply_agrees(const struct flow *flow, const struct sim_verdict *sim,
                 const struct trace_verdict *trace)
{
    struct in6_addr spa = in6_addr_mapped_ipv4(flow->nw_src);
    struct in6_addr tpa = in6_addr_mapped_ipv4(flow->nw_dst);

    return (trace->action == TRACE_IN_PORT
            && trace->arp_op == 2
            && eth_addr_equals(trace->dl_src, sim->mac)
            && eth_addr_equals(trace->dl_dst, flow->dl_src)
            && eth_addr_equals(trace->arp_sha, sim->mac)
            && eth_addr_equals(trace->arp_tha, flow->arp_sha)
            && ipv6_addr_equals(&trace->src, &tpa)
            && ipv6_addr_equals(&trace->dst, &spa));
}

static bool
nd_reply_agrees(const struct flow *flow, const struct sim_verdict *sim,
                const struct trace_verdict *trace, bool packet_in)
{
    if (packet_in) {
        return (trace->action == TRACE_CONTROLLER
                && eth_addr_equals(trace->answer, sim->mac)
                && (trace->identity == IDENTITY_HOST) == sim->router);
    }
    return (trace->action == TRACE_IN_PORT
            && trace->icmp_type == 136
            && eth_addr_equals(trace->dl_src, sim->mac)
            && eth_addr_equals(trace->dl_dst, flow->dl_src)
            && eth_addr_equals(trace->nd_tll, sim->mac)
            && ipv6_addr_equals(&trace->src, &flow->nd_target)
            && ipv6_addr_equals(&trace->dst, &flow->ipv6_src)
            && ipv6_addr_equals(&trace->nd_target, &flow->nd_target)
            && (trace->nd_flags >> 31) == sim->router);
}

static bool
verdicts_agree(const struct flow *flow, const struct sim_verdict *sim,
               const struct trace_verdict *trace, bool packet_in)
{
    if (sim->reason != trace->reason
        || (sim->action != SIM_DROP && sim->audited != trace->audited)) {
        return false;
    }
    switch (sim->action) {
    case SIM_DROP:
        return trace->action == TRACE_DROP;
    case SIM_DELIVER:
        return (trace->action == TRACE_OUTPUT
                && trace->out_port == sim->out_port
                && eth_addr_equals(trace->dl_dst, sim->mac));
    case SIM_ARP_REPLY:
        return arp_reply_agrees(flow, sim, trace);
    case SIM_ND_REPLY:
        return nd_reply_agrees(flow, sim, trace, packet_in);
    }
    OVS_NOT_REACHED();
}

static void
print_disagreement(const struct sim_packet *packet,
                   const struct sim_verdict *sim, const char *explanation,
                   const struct trace_verdict *trace)
{
    static const char *const sim_actions[] = {
        "drop", "deliver", "ARP reply", "ND reply"
    };
    static const char *const trace_actions[] = {
        "drop", "output", "reply", "to controller"
    };
    struct ds flow = DS_EMPTY_INITIALIZER;

    packet_format(packet, &flow);
    ds_put_cstr(&flow, " --ct-next ");
    packet_format_ct_state(packet, &flow);
    printf("packet: %s %s\n", packet->bridge, ds_cstr(&flow));
    printf("simulator: %s, reason %d, audited %d, port %u, MAC "
           ETH_ADDR_FMT", router %d\n%s", sim_actions[sim->action],
           sim->reason, sim->audited, ofp_to_u16(sim->out_port),
           ETH_ADDR_ARGS(sim->mac), sim->router, explanation);
    printf("switch: %s, reason %d, audited %d, port %u, dl_dst "
           ETH_ADDR_FMT"\n%s\n", trace_actions[trace->action], trace->reason,
           trace->audited, ofp_to_u16(trace->out_port),
           ETH_ADDR_ARGS(trace->dl_dst), trace->text);
    ds_destroy(&flow);
}

static void
count(struct keystone *k, const struct sim_verdict *v)
{
    if (v->action == SIM_DROP) {
        k->n_reasons[v->reason]++;
    } else {
        k->n_audited += v->audited;
        k->n_delivered += v->action == SIM_DELIVER;
        k->n_arp += v->action == SIM_ARP_REPLY;
        k->n_nd += v->action == SIM_ND_REPLY;
    }
}

static void
check_packet(struct keystone *k, struct ovs *ovs, const struct compiler *c,
             const char *bridge, const char *change)
{
    struct ds explanation = DS_EMPTY_INITIALIZER;
    struct trace_verdict trace;
    struct sim_verdict sim;
    struct sim_packet packet;
    bool packet_in = (compiler_get_nd_responder(c, bridge)
                      == ND_RESPONDER_PACKET_IN);

    packet_random(compiler_get_netmap(c), bridge, &packet);
    policy_sim(compiler_get_netmap(c), compiler_get_depmap(c), &packet, &sim,
               &explanation);
    ovs_trace(ovs, &packet, &trace);
    if (!verdicts_agree(&packet.flow, &sim, &trace, packet_in)) {
        print_disagreement(&packet, &sim, ds_cstr(&explanation), &trace);
        fail(k, "simulator and switch disagree (after %s)", change);
    }
    count(k, &sim);
    free(trace.text);
    ds_destroy(&explanation);
}

static bool
has_network(const struct compiler *c, const char *bridge)
{
    const struct netmap_network *network;

    HMAP_FOR_EACH (network, hmap_node, &compiler_get_netmap(c)->networks) {
        if (!strcmp(network->bridge, bridge)) {
            return true;
        }
    }
    return false;
}

static unsigned int
check_packets(struct keystone *k, struct ovs *ovs, const struct compiler *c,
              const char *change)
{
    unsigned int n = 0;

    for (size_t i = 0; i < WORLD_N_BRIDGES; i++) {
        if (compiler_get_flows(c, bridges[i])
            && has_network(c, bridges[i])) {
            for (int j = 0; j < PACKETS_PER_STEP; j++, n++) {
                check_packet(k, ovs, c, bridges[i], change);
            }
        }
    }
    return n;
}

static void
install(struct ovs *ovs, const struct compiler *c)
{
    for (size_t i = 0; i < WORLD_N_BRIDGES; i++) {
        ovs_install(ovs, bridges[i], compiler_get_flows(c, bridges[i]));
    }
}

static void
print_coverage(const struct keystone *k)
{
    printf("delivered %u, ARP answers %u, ND answers %u; audited %u\n",
           k->n_delivered, k->n_arp, k->n_nd, k->n_audited);
    for (int i = 1; i < N_DROP_REASONS; i++) {
        printf("dropped %-22s %6u\n", drop_reason_name(i), k->n_reasons[i]);
    }
}

static void
run_packets(struct keystone *k)
{
    long long int start = time_msec();
    unsigned int done = 0, n_steps = 0;
    struct ovs *ovs = ovs_connect();

    while (done < k->n_packets) {
        struct world *w = world_create(1 + pick(k->n_networks), 60);
        const char *change = "creation";

        for (int i = 0; i < STEPS_PER_WORLD && done < k->n_packets; i++) {
            struct compiler *c = world_compiler(w);

            compiler_run(c);
            check_incremental(k, w, change);
            install(ovs, c);
            done += check_packets(k, ovs, c, change);
            n_steps++;
            change = world_change(w);
        }
        world_destroy(w);
    }
    ovs_disconnect(ovs);

    long long int elapsed = MAX(time_msec() - start, 1);
    printf("%u packets in %lld ms, %lld/s, %u changes installed\n", done,
           elapsed, done * 1000LL / elapsed, n_steps);
    print_coverage(k);
}

/* Simulator against fast path. */

static void
check_bpf_packets(const struct keystone *k, struct keystone_bpf *bpf,
                  const struct compiler *c, const char *change)
{
    for (size_t i = 0; i < WORLD_N_BRIDGES; i++) {
        if (!has_network(c, bridges[i])) {
            continue;
        }
        for (int j = 0; j < PACKETS_PER_STEP; j++) {
            struct ds failure = DS_EMPTY_INITIALIZER;

            if (!keystone_bpf_packet(bpf, c, bridges[i], &failure)) {
                puts(ds_cstr(&failure));
                fail(k, "simulator and fast path disagree (after %s)",
                     change);
            }
            ds_destroy(&failure);
        }
    }
}

static void
run_bpf(struct keystone *k)
{
    struct keystone_bpf *bpf = keystone_bpf_create();
    long long int start = time_msec();

    while (keystone_bpf_n_packets(bpf) < k->n_bpf_packets) {
        struct world *w = world_create(1 + pick(k->n_networks), 60);
        const char *change = "creation";

        keystone_bpf_restart(bpf);
        for (int i = 0; i < STEPS_PER_WORLD; i++) {
            struct compiler *c = world_compiler(w);

            compiler_run(c);
            keystone_bpf_install(bpf, c);
            check_bpf_packets(k, bpf, c, change);
            change = world_change(w);
        }
        world_destroy(w);
    }

    long long int elapsed = MAX(time_msec() - start, 1);
    unsigned int n = keystone_bpf_n_packets(bpf);
    printf("%u packets in %lld ms, %lld/s\n", n, elapsed,
           n * 1000LL / elapsed);
    keystone_bpf_print_coverage(bpf);
    keystone_bpf_destroy(bpf);
}

/* Options. */

static unsigned int
parse_number(const char *option, const char *s)
{
    unsigned int value;

    if (!str_to_uint(s, 10, &value)) {
        ovs_fatal(0, "--%s: %s is not a number", option, s);
    }
    return value;
}

OVS_NO_RETURN static void
usage(void)
{
    printf("%s: compares the simulator, the flows and ovs-vswitchd\n"
           "usage: %s [OPTIONS]\n"
           "  --seed=N       repeat a run (default: from the time)\n"
           "  --packets=N    packets to compare (default: "
           "$KEYSTONE_PACKETS or 0)\n"
           "  --bpf-packets=N packets for the fast path (default: 0)\n"
           "  --changes=N    changes without a switch (default: 1000)\n"
           "  --networks=N   at most N networks (default: 4)\n"
           "  --base-dir=DIR run directory of ovs-vswitchd\n",
           program_name, program_name);
    exit(EXIT_SUCCESS);
}

static void
parse_options(int argc, char *argv[], struct keystone *k)
{
    enum {
        OPT_SEED, OPT_PACKETS, OPT_BPF_PACKETS, OPT_CHANGES, OPT_NETWORKS,
        OPT_BASE_DIR
    };
    static const struct option options[] = {
        { "seed", required_argument, NULL, OPT_SEED },
        { "packets", required_argument, NULL, OPT_PACKETS },
        { "bpf-packets", required_argument, NULL, OPT_BPF_PACKETS },
        { "changes", required_argument, NULL, OPT_CHANGES },
        { "networks", required_argument, NULL, OPT_NETWORKS },
        { "base-dir", required_argument, NULL, OPT_BASE_DIR },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    const char *packets = getenv("KEYSTONE_PACKETS");
    int c, index;

    *k = (struct keystone) {
        .seed = time(NULL) ^ (getpid() << 16),
        .n_packets = packets ? parse_number("packets", packets) : 0,
        .n_networks = 4,
        .n_changes = 1000,
    };
    while ((c = getopt_long(argc, argv, "h", options, &index)) != -1) {
        switch (c) {
        case OPT_SEED:
            k->seed = parse_number("seed", optarg);
            break;
        case OPT_PACKETS:
            k->n_packets = parse_number("packets", optarg);
            break;
        case OPT_BPF_PACKETS:
            k->n_bpf_packets = parse_number("bpf-packets", optarg);
            break;
        case OPT_CHANGES:
            k->n_changes = parse_number("changes", optarg);
            break;
        case OPT_NETWORKS:
            k->n_networks = MAX(parse_number("networks", optarg), 1);
            break;
        case OPT_BASE_DIR:
            setenv("OVS_RUNDIR", optarg, true);
            break;
        case 'h':
            usage();
        default:
            exit(EXIT_FAILURE);
        }
    }
    if (optind < argc) {
        ovs_fatal(0, "%s: no arguments expected", argv[optind]);
    }
    k->seed = k->seed ? k->seed : 1;
}

int
main(int argc, char *argv[])
{
    struct keystone k;

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_WARN);
    parse_options(argc, argv, &k);
    fatal_ignore_sigpipe();
    setvbuf(stdout, NULL, _IOLBF, 0);

    printf("keystone --seed=%"PRIu32" --packets=%u --bpf-packets=%u "
           "--changes=%u --networks=%u\n", k.seed, k.n_packets,
           k.n_bpf_packets, k.n_changes, k.n_networks);
    random_set_seed(k.seed);
    run_changes(&k);

    /* The same packets, however many changes come before. */
    random_set_seed(k.seed);
    if (k.n_packets) {
        run_packets(&k);
    }
    random_set_seed(k.seed);
    if (k.n_bpf_packets) {
        run_bpf(&k);
    }
    return EXIT_SUCCESS;
}
