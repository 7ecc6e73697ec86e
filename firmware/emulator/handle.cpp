
// A set of weights. Nothing else is kept.
struct @NAME@_weights {
    Weights used;
@HELD@};

static const Weights &chosen(const @NAME@_weights *weights) { return weights ? weights->used : trained; }
