
__attribute__((visibility("default"))) int @NAME@_n_weight_ports(void) { return @N_WEIGHT_PORTS@; }
__attribute__((visibility("default"))) const char *@NAME@_weight_port(int port) { return weight_ports[port].name; }
__attribute__((visibility("default"))) const char *@NAME@_weight_layer(int port) { return weight_ports[port].layer; }
__attribute__((visibility("default"))) int @NAME@_weight_is_bias(int port) { return weight_ports[port].is_bias; }
__attribute__((visibility("default"))) int @NAME@_weight_size(int port) { return weight_ports[port].size; }

__attribute__((visibility("default"))) int64_t @NAME@_smallest_weight(int port) {
    int64_t smallest = 0;
    for (int i = 0; i < weight_ports[port].n_outputs; i++)
        smallest = weight_ports[port].limits[i][0] < smallest ? weight_ports[port].limits[i][0] : smallest;
    return smallest;
}

__attribute__((visibility("default"))) int64_t @NAME@_largest_weight(int port) {
    int64_t largest = 0;
    for (int i = 0; i < weight_ports[port].n_outputs; i++)
        largest = weight_ports[port].limits[i][1] > largest ? weight_ports[port].limits[i][1] : largest;
    return largest;
}

__attribute__((visibility("default"))) @NAME@_weights *@NAME@_open_weights(void) {
    @NAME@_weights *weights = new (std::nothrow) @NAME@_weights;
    if (weights) {
        weights->used = Weights{@HELD_ARRAYS@};
@COPY_WEIGHTS@    }
    return weights;
}

__attribute__((visibility("default"))) void @NAME@_close_weights(@NAME@_weights *weights) { delete weights; }

__attribute__((visibility("default"))) int @NAME@_load_weights(@NAME@_weights *weights, const int64_t *codes) {
    const int64_t *of = codes;
    for (int port = 0; port < @N_WEIGHT_PORTS@; of += weight_ports[port++].size)
        if (!all_fit(weight_ports[port], of))
            return port + 1;
@LOAD_WEIGHTS@    return 0;
}

__attribute__((visibility("default"))) void @NAME@_read_weights(const @NAME@_weights *weights, int64_t *codes) {
    const Weights &of = chosen(weights);
@READ_WEIGHTS@}

__attribute__((visibility("default"))) void @NAME@_score_batch(const int16_t *objects, int64_t n, int64_t *scores,
                                                               uint8_t *accept) {
    @NAME@_score_batch_with(nullptr, objects, n, scores, accept);
}

__attribute__((visibility("default"))) void @NAME@_latents_batch(const int16_t *objects, int64_t n, int32_t *latents) {
    @NAME@_latents_batch_with(nullptr, objects, n, latents);
}

__attribute__((visibility("default"))) int64_t @NAME@_score(const int16_t *objects, uint8_t *accept) {
    return @NAME@_score_with(nullptr, objects, accept);
}
