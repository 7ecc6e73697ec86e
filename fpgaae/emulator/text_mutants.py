"""Mutants of an emulator whose text is wrong: its calls and batches, and the kernels that it calls."""

from __future__ import annotations

from fpgaae.emulator.package_sources import KERNELS, Damage, PackageSources
from fpgaae.hls.mutant import Kind, Slip, slips

_CODE = "*_emulator.cpp"
_EACH_LANE = r"for \(int e = 0; e < block_events; e\+\+\)"
_ADDED = r"\(\(T\(1\) << \(drop - 1\)\) - 1\) \+ \(\(v >> drop\) & 1\)"
_HERE = r"n - first < block_events \? \(int\)\(n - first\) : block_events"
_EMPTY_BLOCK = "it adds a block of no events at most, which reads no event and puts out nothing"
_SAME_TILE = "a tile that ends with the event is the last one either way"
_ONE_BY_ONE = "the eight events are read one by one, as those of an incomplete block are"
_HALF = "(T(1) << (drop - 1))"
_TABLE = r"\[v\[i\]\.lane\[e\] & \(table_size - 1\)\]"
_DECIDED = r"accept\[e \* (?P<n>[2-9]|\d\d+) \+ i\] = scores\[e\] > thresholds\[i\];"  # of one, the order is the same
TEXT_KINDS: tuple[Kind[PackageSources], ...] = (
    slips(
        Damage.COMPARISON,
        "nothing is compared",
        Slip(
            _CODE, r"(?P<a>scores\[e\]) > (?P<b>thresholds)", (r"\g<a> >= \g<b>", r"\g<a> < \g<b>", r"\g<a> != \g<b>")
        ),
        Slip(KERNELS, r"x\[i\]\.lane\[e\] < 0 \?", ("x[i].lane[e] > 0 ?",)),
        Slip(KERNELS, r"difference < 0 \?", ("difference > 0 ?",)),
        Slip(KERNELS, r"error > most\.lane", ("error < most.lane",)),
        Slip(KERNELS, r"first\.lane\[e\] > empty", ("first.lane[e] >= empty",)),
    ),
    slips(
        Damage.ACCEPT_ORDER,
        "it has fewer than two thresholds",
        Slip(
            _CODE,
            _DECIDED,
            (
                r"accept[e * \g<n> + \g<n> - 1 - i] = scores[e] > thresholds[i];",
                r"accept[e * \g<n> + i] = scores[e] > thresholds[\g<n> - 1 - i];",
                r"accept[i * n + e] = scores[e] > thresholds[i];",
            ),
        ),
    ),
    slips(
        Damage.HELD_THRESHOLD,
        "it decides with no thresholds that are given",
        Slip(
            _CODE, r"cells, n, loaded, accept\);", ("cells, n, thresholds, accept);", "cells, n, loaded + 1, accept);")
        ),
    ),
    slips(
        Damage.SIGN,
        "no input takes all 16 bits without a sign",
        Slip(_CODE, r"(?P<of>^    \d+, |\w\[\d+\], )65535,", (r"\g<of>-1,",)),
    ),
    slips(
        Damage.LAST_ELEMENT,
        "it has no layer of this kind",
        Slip(
            _CODE,
            r"(?P<call>(?:relu|quantize|leaky_relu|tabulated|move|largest|mean)\(\w+, )(?P<n>\d+)",
            (r"\g<call>\g<n> - 1",),
        ),
        Slip(_CODE, r"(?P<call>scale\(\w+, )(?P<n>\d+)", (r"\g<call>\g<n> - 1",)),
        Slip(_CODE, r"(?P<call>dense_pairs\(\w+, (?:\d+, )?)(?P<n>\d+)", (r"\g<call>\g<n> - 1",)),
        Slip(_CODE, r"(?P<call>dense_wide\(\w+, )(?P<n>\d+)", (r"\g<call>\g<n> - 1",)),
        Slip(
            _CODE,
            r"(?P<call>(?:error|squared|divergence|variance)\(\w+, (?:\w+, )?)(?P<n>\d+)",
            (r"\g<call>\g<n> - 1",),
        ),
        Slip(KERNELS, r"k < kernel\.first\[j \+ 1\]", ("k + 1 < kernel.first[j + 1]",)),
        Slip(KERNELS, r"k = kernel\.first\[j\]", ("k = kernel.first[j] + 1",)),
    ),
    slips(
        Damage.ROUNDING,
        "it rounds nothing",
        Slip(KERNELS, _ADDED, (_HALF, f"({_HALF} - 1)", f"{_HALF} - 1 + (v & 1)", "0")),
    ),
    slips(
        Damage.SATURATION,
        "it saturates nothing",
        Slip(
            KERNELS,
            r"v < low \? low : v > high \? high : v",
            (
                "v > high ? high : v",
                "v < low ? low : v",
                "v < low ? high : v > high ? low : v",
                "v < low ? low : v > high ? high - 1 : v",
                "v < low ? low + 1 : v > high ? high : v",
            ),
        ),
    ),
    slips(
        Damage.ARITHMETIC,
        "it has no such kernel",
        Slip(KERNELS, r"\* difference \* difference", ("* difference",)),
        Slip(KERNELS, r"& mask\) - offset", ("& mask) + offset",)),
        Slip(KERNELS, r"\(sum_T\(1\) << up_x\) - ", ("(sum_T(1) << up_x) + ",)),
        Slip(KERNELS, r"sum\.lane\[e\] \+= ", ("sum.lane[e] = ", "sum.lane[e] -= ")),
        Slip(KERNELS, r"zero \+ bias\[j\]", ("zero - bias[j]", "zero")),
        Slip(KERNELS, r"\(sum_T\)mu\[i\]\.lane\[e\] \* mu\[i\]\.lane\[e\]", ("(sum_T)mu[i].lane[e]",)),
        Slip(KERNELS, r"zero \+ both", ("zero + (both & 0xffff)", "zero + (both >> 16)")),
        Slip(KERNELS, r"kernel\.weight \+ 2 \* k", ("kernel.weight + k", "kernel.weight + 2 * k + 1")),
    ),
    slips(
        Damage.TABLE_PLACE,
        "its score reads no table",
        Slip(
            KERNELS,
            _TABLE,
            (
                "[v[i].lane[e] & (table_size / 2 - 1)]",
                "[(v[i].lane[e] ^ 1) & (table_size - 1)]",
                "[v[i].lane[e] & (table_size - 2)]",
                "[v[0].lane[e] & (table_size - 1)]",
                "[v[i].lane[0] & (table_size - 1)]",
            ),
        ),
    ),
    slips(
        Damage.LANES,
        "it has no lanes",
        Slip(
            KERNELS,
            _EACH_LANE,
            (
                "for (int e = 0; e < block_events - 1; e++)",
                "for (int e = 1; e < block_events; e++)",
                "for (int e = 0; e < block_events; e += 2)",
            ),
        ),
        Slip(KERNELS, r"multiply_add\(pairs\[v\]", ("multiply_add(pairs[0]", "multiply_add(pairs[v ^ 1]")),
        Slip(KERNELS, r"\[v\] = sums\[v\]", ("[v] = sums[v ^ 1]", "[v] = sums[0]")),
        Slip(
            KERNELS,
            r"for \(int v = 0; v < (?P<n>\w+)",
            (r"for (int v = 1; v < \g<n>", r"for (int v = 0; v + 1 < \g<n>"),
        ),
        Slip(KERNELS, r"row\.lane\[e\] & mask", ("row.lane[e ^ 1] & mask", "row.lane[0] & mask")),
        Slip(KERNELS, r"rows\[i \+ 4\]", ("rows[(i + 4) ^ 1]",)),
        Slip(KERNELS, r"(?P<of>objects \+ \(int64_t\))e", (r"\g<of>(e ^ 1)",)),
        Slip(KERNELS, r"round < 3", ("round < 2", "round < 4")),
        Slip(KERNELS, r"i < n_features; i \+= 8", ("i + 8 < n_features; i += 8",)),
        Slip(KERNELS, r"i \+ 8 <= n_features", ("i + 8 < n_features",), _SAME_TILE),
        Slip(KERNELS, r"n_features - 8;", ("n_features - 7;",)),
        Slip(KERNELS, r"e \+ 8 <= n\)", ("e + 8 < n)",), _ONE_BY_ONE),
        Slip(KERNELS, r"lane < n \?", ("lane + 1 < n ?",)),
    ),
    slips(
        Damage.BLOCKS,
        "it has no blocks",
        Slip(_CODE, r"first \+= block_events", ("first += block_events + 1", "first += 2 * block_events")),
        Slip(
            _CODE,
            _HERE,
            (
                "n - first < block_events ? (int)(n - first) - 1 : block_events",
                "block_events",
                "n < block_events ? (int)n : block_events",
                "n - first < block_events ? (int)(n - first) : block_events - 1",
            ),
        ),
        Slip(_CODE, r"first < n;", ("first + 1 < n;", "first + block_events <= n;")),
        Slip(_CODE, r"first < n;", ("first <= n;",), _EMPTY_BLOCK),
        Slip(_CODE, r"scores \+ first", ("scores", "scores + first + 1", "scores + first / 2")),
        Slip(_CODE, r"objects \+ first \*", ("objects + first / 2 *", "objects + 0 *", "objects + (first + 1) *")),
        Slip(_CODE, r"accept \+ first \*", ("accept + first / block_events *", "accept + 0 *")),
        Slip(_CODE, r"latents \+ first \*", ("latents + first / 2 *", "latents + 0 *")),
    ),
    slips(
        Damage.BATCH,
        "it has no batches",
        Slip(
            _CODE,
            r"scores\[e\] = score\.lane\[e\];",
            (
                "scores[e] = score.lane[0];",
                "scores[n - 1 - e] = score.lane[e];",
                "scores[e] = score.lane[e ^ 1];",
                "scores[e] = (int32_t)score.lane[e] - (e == 31);",
            ),
        ),
        Slip(
            _CODE,
            r"for \(int e = 0; e < n; e\+\+\)",
            (
                "for (int e = 0; e < block_events; e++)",
                "for (int e = 1; e < n; e++)",
                "for (int e = 0; e + 1 < n; e++)",
            ),
        ),
        Slip(_CODE, r"accept \? (?P<a>accept \+ first \* \d+) : accept", (r"\g<a>",)),
        Slip(_CODE, r"if \(accept\)", ("if (true)",)),
        Slip(_CODE, r"if \(!scores\)", ("if (false)",)),
        Slip(_CODE, r"latents\[e \* (?P<n>\d+) \+ i\]", (r"latents[i * n + e]", r"latents[e * \g<n> + \g<n> - 1 - i]")),
    ),
    slips(
        Damage.SINGLE,
        "it has no function of a single event",
        Slip(
            _CODE,
            r"(?P<call>_score_batch(?:_with\(weights, |\())objects, 1, &score, accept\)",
            (
                r"\g<call>objects, 1, &score, nullptr)",
                r"\g<call>objects + 1, 1, &score, accept)",
                r"\g<call>objects, 0, &score, accept)",
            ),
        ),
        Slip(_CODE, r"^    return score;", ("    return score + 1;", "    return 0;")),
    ),
    slips(
        Damage.LOADING,
        "its weights are constants",
        Slip(_CODE, r"codes\[i\] \* \(1LL << port\.up\)", ("codes[i]", "codes[i] * (2LL << port.up)", "codes[0]")),
        Slip(_CODE, r"codes\[i\] < limit\[0\]", ("codes[i] <= limit[0]", "codes[i] + 1 < limit[0]", "false")),
        Slip(_CODE, r"codes\[i\] > limit\[1\]", ("codes[i] >= limit[1]", "codes[i] - 1 > limit[1]", "false")),
        Slip(_CODE, r"return port \+ 1;", ("return port;", "return 1;", "return 0;")),
        Slip(_CODE, r"weights \? weights->used : trained", ("trained", "weights ? trained : trained")),
        Slip(_CODE, r"codes \+ (?P<n>[1-9]\d*), weights->", (r"codes + \g<n> - 1, weights->", "codes, weights->")),
        Slip(_CODE, r"of \+= weight_ports\[port\+\+\]\.size", ("port++",)),
        Slip(_CODE, r"weights->used = Weights\{weights->", ("weights->used = trained; (void)Weights{weights->",)),
        Slip(KERNELS, r"weight\[k \* n_out \+ j\]", ("weight[k * n_out]", "weight[j * n_in + k]", "weight[k + j]")),
        Slip(KERNELS, r"input\[k\] < 0\)", ("input[k] < 1)",)),
        applies=PackageSources.loads_weights,
    ),
    slips(
        Damage.STATE,
        "it has no variables",
        Slip(_CODE, r"^    Row<", ("    static Row<",)),
        Slip(KERNELS, r"^ *Row<\w+> (?:sum|most) = \{\};", (r"static \g<0>",)),
        Slip(KERNELS, r"^        vector sums", (r"        static vector sums",)),
    ),
)
