// Where a block takes its weights from: codes on the grid of the sums that they are part of, an output a column.
struct Weights {
@WEIGHT_POINTERS@};
const Weights trained = {@WEIGHT_ARRAYS@};

// A port through which weights come: how many codes, of how many outputs, and whether those of an output are together; by how
// many bits a sum is finer; and by output the smallest and the largest code, and their step.
struct WeightPort {
    const char *name, *layer;
    bool is_bias;
    int size, n_outputs;
    bool outputs_first;
    int up;
    const int64_t (*limits)[3];
};
const int64_t weight_limits[][3] = {
@WEIGHT_LIMITS@};
const WeightPort weight_ports[@N_WEIGHT_PORTS@] = {
@WEIGHT_PORTS@};

// Where the code of a port lies in a matrix of inputs and outputs.
int place_of(const WeightPort &port, int i) {
    const int n_inputs = port.size / port.n_outputs;
    return port.outputs_first ? i % n_inputs * port.n_outputs + i / n_inputs : i;
}

bool all_fit(const WeightPort &port, const int64_t *codes) {
    for (int i = 0; i < port.size; i++) {
        const int64_t *limit = port.limits[place_of(port, i) % port.n_outputs];
        if (codes[i] < limit[0] || codes[i] > limit[1] || codes[i] % limit[2])
            return false;
    }
    return true;
}

template <class T> void load(const WeightPort &port, const int64_t *codes, T *weights) {
    for (int i = 0; i < port.size; i++)
        weights[place_of(port, i)] = (T)(codes[i] * (1LL << port.up));
}

template <class T> void read(const WeightPort &port, const T *weights, int64_t *codes) {
    for (int i = 0; i < port.size; i++)
        codes[i] = weights[place_of(port, i)] / (1LL << port.up);
}
