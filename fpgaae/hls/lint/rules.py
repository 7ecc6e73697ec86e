"""The rules: what each finds, how much it matters, why, and what to do. This table also makes `docs/lint.md`.

The causes were measured on hls4ml 1.3.0 and QKeras 0.9.0; percentages are the share of outputs that differed on small
networks. `h#N` is an issue or pull request of fastmachinelearning/hls4ml, `q#N` of google/qkeras, `t#N` of
tensorflow/model-optimization.
"""

from __future__ import annotations

from fpgaae.hls.lint.findings import Finding, Rule, Severity

_E, _W, _N = Severity.ERROR, Severity.WARNING, Severity.NOTE

_TABLE = (
    # the settings of the conversion
    Rule(
        "bit-exact-unset", _E,
        "without hls4ml's bit_exact flow the input silently becomes fixed<16,6,TRN,WRAP> (4-7 % differ)",
        "convert with bit_exact=True",
    ),
    Rule(
        "granularity-not-name", _E,
        "with a config of granularity `model` or `type` layers lose or share their types (58-64 % differ, also with "
        "bit_exact)",
        "use granularity `name`", "h#569",
    ),
    Rule(
        "max-precision-narrow", _E,
        "max_precision cuts bits that the exact sums need (99.7 % differ)",
        "leave max_precision out, or make it as wide as the widest sum",
    ),
    Rule(
        "accumulator-override", _E,
        "a set accumulator overflows or rounds, and what comes out is garbage",
        "leave the accumulator to hls4ml, or give it at least the derived width", "h#324",
    ),
    Rule(
        "override-ignored", _W,
        "in the bit_exact flow hls4ml 1.3.0 derives every sum anew, so that this setting changes nothing",
        "leave the setting out",
    ),
    Rule(
        "distributed-arithmetic-reuse", _E,
        "distributed arithmetic has no multiplier to reuse, and hls4ml refuses the layer",
        "set reuse_factor to 1",
    ),
    Rule(
        "convolution-reuse", _E,
        "hls4ml's convolution of whole images (io_parallel) in the resource strategy is right only for reuse factors "
        "up to the products of one sum (all outputs differ)",
        "use a reuse factor of at most the kernel's pixels times the channels, or io_stream",
    ),
    Rule(
        "pointwise-reuse", _E,
        "hls4ml's convolution of single pixels takes the reuse factor as it is set, and asserts that it divides",
        "choose a reuse factor that divides the channels that are read, or the latency strategy",
    ),
    Rule(
        "reuse-factor-replaced", _W,
        "the reuse factor does not divide the layer's products as hls4ml needs it, and is silently replaced",
        "choose a reuse factor that divides, so that the resources are those you asked for",
    ),
    # the quantizers
    Rule(
        "input-not-quantized", _E,
        "the bit_exact flow needs a quantized_bits straight behind the input (`unexpected input layer chain`)",
        "put a QActivation(quantized_bits(..., alpha=1)) behind the Input, and let nothing else read the Input",
    ),
    Rule(
        "activation-symmetric", _E,
        "hls4ml emits SAT instead of SAT_SYM for a symmetric activation (19-22 % differ when it saturates)",
        "set symmetric=0, the third argument; weights may stay symmetric",
    ),
    Rule(
        "activation-keep-negative", _E,
        "hls4ml reads keep_negative=0 as a signed type (about 100 % differ)",
        "use quantized_relu",
    ),
    Rule(
        "alpha-missing", _E,
        "where alpha is left out QKeras scales a kernel by auto_po2 (78 % differ, or no compile), and for others the "
        "golden network can't know that it is 1",
        "write alpha=1", "q#129, q#60",
    ),
    Rule(
        "alpha-auto", _E,
        "a scale found from the values is not on the grid of the type (84-100 % differ); QKeras sets auto_po2 itself "
        "where a kernel's alpha is left out",
        "write alpha=1", "q#134, q#73, h#208",
    ),
    Rule(
        "alpha-scaled", _E,
        "a scale other than 1 moves the grid, which has no exact form here",
        "write alpha=1 and choose the integer bits instead",
    ),
    Rule(
        "kernel-not-quantized", _E,
        "float weights are cut to hls4ml's default type",
        "give the layer a quantizer for them, as quantized_bits(n, i, 0, alpha=1)",
    ),
    Rule(
        "bias-not-quantized", _E,
        "a float bias is cut, or makes sums of 33 bits (100 % differ)",
        "give the layer a bias_quantizer",
    ),
    Rule(
        "bias-missing", _E,
        "the golden network wants a bias",
        "set use_bias=True; the bias may be zero",
    ),
    Rule(
        "real-tanh-sigmoid", _E,
        "hls4ml's tables of the real tanh or sigmoid are approximations (67-83 % differ)",
        "import the model, which makes exact tables: behind a quantizer of at most 12 bits, or with --quantize",
    ),
    Rule(
        "relu-upper-bound", _E,
        "hls4ml does not know relu_upper_bound or is_quantized_clip=False, which QKeras does not even save (91 % "
        "differ)",
        "clip by the width: fewer integer bits",
    ),
    Rule(
        "leaky-slope", _E,
        "a slope below zero rounds differently, or crashes (8 % differ)",
        "use quantized_relu(n, i) without a slope, or LeakyReLU(1/2, 1/4, ...) in front of a quantizer",
    ),
    Rule(
        "power-of-two-weights", _E,
        "hls4ml's products with power-of-two weights differ (13 %) or do not compile",
        "use quantized_bits",
    ),
    Rule(
        "quantizer-option", _E,
        "stochastic rounding, quantization noise and use_sigmoid are no fixed-point type",
        "leave the option out in the deployed model",
    ),
    Rule(
        "quantizer-unsupported", _E,
        "this quantizer has no exact fixed-point form here",
        "use quantized_bits(n, i, 0, alpha=1) or quantized_relu(n, i)",
    ),
    Rule(
        "quant-node", _E,
        "a Quant node of QONNX has the grid of a fixed-point type only where its scale is one power of two, its zero "
        "point 0, its rounding half to even, its bits two or more, and it is not narrow without a sign",
        "export it so (in Brevitas: scales of powers of two), or quantize the model anew by the config with --quantize",
    ),
    Rule(
        "one-bit-quantizer", _E,
        "QKeras makes one bit mean -1 or +1, which is no fixed-point type",
        "give it two bits or more",
    ),
    Rule(
        "negative-integer-bits", _E,
        "QKeras 0.9.0 can't compute such a quantizer: TensorFlow refuses negative powers of integers",
        "set its integer bits to 0 and give it as many bits more, which leaves its steps as they are",
    ),
    Rule(
        "no-fraction-bits", _E,
        "without a bit behind the point hls4ml 1.3.0 writes ap_int, which truncates and wraps",
        "give it more bits or fewer integer bits",
    ),
    # the layers
    Rule(
        "pruning-wrapper", _E,
        "a model with pruning wrappers does not convert",
        "call strip_pruning before saving, and do not train afterwards: it would lose every zero", "t#434, t#928",
    ),
    Rule(
        "quantized-batch-normalization", _E,
        "the quantized normalization is another one in hls4ml (99.9 % differ)",
        "fold it into the kernel before quantizing", "h#225, h#657, h#948",
    ),
    Rule(
        "batch-normalization", _E,
        "its float scale does not survive the conversion exactly (0.05 % differ)",
        "fold it into the kernel before quantizing",
    ),
    Rule("softmax", _E, "its tables are not exact", "keep it out of the deployed model", "h#1221"),
    Rule(
        "lambda-layer", _E,
        "a Lambda is code in a file: it has no hardware, and is never executed here",
        "deploy the encoder, or write a layer with hls4ml's Extension API", "h#396, h#841",
    ),
    Rule(
        "transposed-convolution", _E,
        "hls4ml has no transposed convolution",
        "import the float model, which makes a convolution over a spread image of it", "h#396, h#841",
    ),
    Rule(
        "depthwise-convolution", _E,
        "the golden network has no depthwise convolution",
        "import the model, which makes a convolution of it whose weights between other channels are zero",
    ),
    Rule(
        "sampling-layer", _E,
        "random numbers have no place in the firmware",
        "deploy the encoder with mu only", "h#396, h#841",
    ),
    Rule(
        "layer-not-quantized", _E,
        "a float layer is cut to hls4ml's default type",
        "use its quantized twin of QKeras with quantizers, or QActivation",
    ),
    Rule(
        "unsupported-layer", _E,
        "the layer has no exact integer form here, so that nothing could be proven",
        "leave it out of the deployed model, or teach it to fpgaae.models.extract and hls4ml's Extension API",
    ),
    Rule(
        "hgq-proxy", _E,
        "the types that a proxy model of HGQ gives to its values, one by one, and its tables are not read",
        "build the same Keras layers without these, with the weights of the proxy model, and let `import` quantize "
        "them by the config; or train in QKeras or Brevitas, whose models keep their types",
    ),
    Rule(
        "merged-branches", _E,
        "no target joins two branches: in the golden network, HLS, RTL and emulator only a score reads two layers",
        "train a model without the second branch",
    ),
    Rule(
        "layer-setting", _E,
        "this value of the setting changes what the layer computes, and has no exact firmware here",
        "leave the setting at its default",
    ),
    Rule(
        "setting-unknown", _E,
        "the layer has a setting which fpgaae does not know, so that the firmware might compute something else",
        "save the layer without it",
    ),
    Rule("nested-model", _E, "a model inside a model is not read", "call its layers one by one"),
    Rule(
        "shared-layer", _E,
        "a layer that is called more than once has no single type",
        "make a layer of its own for each call",
    ),
    Rule(
        "several-inputs-or-outputs", _E,
        "the top function has one input and one output port",
        "make a model with one Input that puts out the score",
    ),
    Rule(
        "activation-inside-layer", _E,
        "an activation inside a layer is not seen as a layer of its own",
        "leave it linear and put a QActivation behind it",
    ),
    Rule(
        "layer-name", _E,
        "the name goes into C++ as it is",
        "use letters, digits and underscores, up to 100, a letter first, no word of C++ or hls4ml",
    ),
    Rule(
        "unquantized-sum", _W,
        "a sum that goes into the next multiplication at its full width is exact, but makes wide multipliers",
        "put a QActivation between the two layers",
    ),
    Rule(
        "quantizer-after-quantizer", _E,
        "hls4ml merges a quantized_bits into the quantizer before it, whose layer is then lost",
        "leave one of the two out",
    ),
    Rule(
        "score-input-not-quantized", _E,
        "hls4ml derives the sum's type from the weights, the golden network from its quantizers: the score's types "
        "differ",
        "put a QActivation between the layer and the score",
    ),
    Rule(
        "score-shapes", _E,
        "the kernel of a score reads as many values of its second input as of its first",
        "give both inputs the same shape",
    ),
    Rule(
        "score-may-be-negative", _E,
        "the score regression is the network's one output, which the firmware compares as a number without a sign",
        "end in one unit with a QActivation(quantized_relu(...)) behind it",
    ),
    Rule(
        "score-empty-slot", _E,
        "a slot is told to be empty by a value that the type of the score's inputs does not hold",
        "take a value of that type, or give it more bits",
    ),
    Rule(
        "score-exp-table", _E,
        "a score with exp() holds a table of every value of log sigma^2, which must be quantized to at most 12 bits; "
        "hls4ml's own table (1,024 entries, ap_fixed<18,8>) wraps above 4.85",
        "bound log sigma^2 by a QActivation of at most 12 bits",
    ),
    Rule(
        "table-argument", _E,
        "a table has an entry for every code of its argument, at most 4,096, and would be read where it has none",
        "put a QActivation of at most 12 bits in front of it, and make it with the type of that",
    ),
    # the interfaces
    Rule("dot-in-stream", _E, "hls4ml has no streaming Dot", "use io_parallel, or Multiply and a sum"),
    Rule(
        "stream-broadcast", _E,
        "streams that are merged must come in packs of one size",
        "use io_parallel, or give both inputs the same shape",
    ),
    Rule(
        "stream-copies", _E,
        "hls4ml copies a stream seven times at most",
        "use io_parallel, or let fewer layers read it",
    ),
    Rule(
        "stream-pooling", _E,
        "streaming pooling asserts that windows neither overlap nor reach over the edge",
        "use padding `valid` and strides equal to pool_size, or io_parallel",
    ),
    Rule(
        "stream-strides", _E,
        "hls4ml's streaming convolution with a kernel of one row steps over columns only, and reads the rows between "
        "its strides as well (nearly all outputs differ)",
        "use strides of one row, a kernel of two rows or of one pixel, or io_parallel",
    ),
    Rule(
        "stream-packs", _E,
        "a score reads both of its inputs from streams in packs of one size, which a Flatten does not change: an image "
        "comes a pixel at a time, the output of a Dense layer at once; a masked score reads whole slots",
        "put a Reshape to the same image in front of the Flatten of each, or use io_parallel",
    ),
    Rule(
        "pooling-beyond-border", _E,
        "a window that reaches beyond the border has fewer values to take the mean or the maximum of",
        "use padding `valid`, or a ZeroPadding layer",
    ),
    Rule(
        "mean-not-quantized", _E,
        "a mean of a number of values that is no power of two has no finite binary form",
        "put a QActivation straight behind it, or average 2, 4, 8, ... values",
    ),
    Rule(
        "dense-of-image", _E,
        "a Dense layer on an image is applied to its last axis only, which has no exact firmware here",
        "put a Flatten in front of it, or use a convolution with a kernel of one pixel",
    ),
    Rule(
        "channels-first", _E,
        "the bit_exact flow knows channels_last only",
        "use data_format `channels_last`",
    ),
    Rule(
        "dilated-convolution", _E,
        "hls4ml ignores dilation_rate without a word",
        "use dilation_rate 1",
    ),
    # widths
    Rule(
        "accumulator-beyond-float64", _E,
        "Keras can't be compared with golden codes of more than 53 bits",
        "use narrower inputs or weights",
    ),
    Rule(
        "accumulator-beyond-float32", _W,
        "the sum passes the 24 bits of float32: the firmware is exact, but Keras' own prediction rounds, as with "
        "16-bit weights and 16-bit activations",
        "compare with the golden codes, not with model.predict, or use narrower inputs or weights",
    ),
    Rule(
        "sum-below-step", _E,
        "no sum reaches half a step of the quantizer behind it: what rounds it (ap_types) ends in an assertion",
        "give the quantizer more bits behind the point, or take the layer out: it puts out zeros",
    ),
    Rule(
        "score-beyond-float32", _N,
        "the score passes the 24 bits of float32: the firmware and the golden codes are exact, Keras' own prediction "
        "rounds its last bits",
        "nothing, where scores are taken from the golden codes, as every stage here does",
    ),
    Rule(
        "dsp-input-wasted", _W,
        "a DSP48E2 multiplies 27 x 18 signed bits (AMD UG579): a wider product takes two of them or more",
        "take bits off one operand until one has 27 or fewer and the other 18 or fewer",
    ),
    Rule(
        "reloadable-zeros", _N,
        "weights that are ports can take any value, so that each has a multiplier and a zero saves nothing",
        "set pruning.sparsity to 0, or firmware.reloadable_weights to false",
    ),
    Rule(
        "reloadable-not-traced", _N,
        "`trace` makes adders of the digits of each weight; one that is loaded would be a multiplier of lookup tables, "
        "and the pipeline would carry the weights of every later layer along with the events, so that it refuses",
        "synthesize the HLS project, or set firmware.reloadable_weights to false",
    ),
    # what enters the network
    Rule(
        "events-at-largest-code", _W,
        "objects whose pT is the largest code can't be told apart, and are in another unit or an overflow, if many",
        "compare the unit and LSB of the files with `data.hardware`, or set `saturated`",
    ),
    Rule(
        "threshold-few-events", _W,
        "fewer than ten background events are expected above the threshold, so that its rate is hardly known",
        "ask for a larger rate, or give more events",
    ),
    # a model in a file
    Rule(
        "weights-damaged", _E,
        "these can't be the trained weights of the layer that the architecture in the file describes",
        "train or save the model again",
    ),
    Rule(
        "not-importable", _E,
        "`fpgaae import` can't bring the model into the form that is quantized",
        "change what is named",
    ),
    # a written project
    Rule(
        "testbench-never-compares", _E,
        "the testbench that hls4ml generates compares nothing and always returns 0",
        "run `fpgaae convert`, which writes one that compares", "h#459, h#701, h#893",
    ),
    Rule(
        "golden-vectors-missing", _E,
        "a testbench without its vectors runs on zeros, or not at all",
        "run `fpgaae convert` again, or copy tb_data/ with the project", "h#459, h#701, h#893",
    ),
)  # fmt: skip

RULES = {rule.name: rule for rule in _TABLE}


def finding(rule: str, layer: str = "", found: str = "") -> Finding:
    """Say that a rule is broken at a layer, by the value that was found."""
    of = RULES[rule]
    return Finding(rule, of.severity, layer, found, of.cause, of.cure)
