
/* Weights that are loaded. The functions above have the trained ones; each has a twin that takes them from a handle (null: the
 * trained ones). Any number of threads may use a handle at once, as long as none loads into it or closes it meanwhile; two
 * handles have nothing in common, so that each thread may as well have its own. */
typedef struct @NAME@_weights @NAME@_weights;

/* The ports of the firmware through which weights come: how many; of each, from 0, its name in `weight_ports` and
 * tb_data/weights.dat, the layer, whether it takes biases, how many codes, and the smallest and the largest of them. */
int @NAME@_n_weight_ports(void);
const char *@NAME@_weight_port(int port);
const char *@NAME@_weight_layer(int port);
int @NAME@_weight_is_bias(int port);
int @NAME@_weight_size(int port);
int64_t @NAME@_smallest_weight(int port);
int64_t @NAME@_largest_weight(int port);

/* A handle with the trained weights; null: out of memory. Close each. */
@NAME@_weights *@NAME@_open_weights(void);
void @NAME@_close_weights(@NAME@_weights *weights);

/* Loads codes into a handle, those of all ports one behind the other, each in the order in which its port takes them. Gives 0;
 * or, where a code is beyond its type, the number of the first such port, counted from 1, and nothing is loaded. */
int @NAME@_load_weights(@NAME@_weights *weights, const int64_t *codes);

/* The codes that a handle holds (null: the trained ones), as they are loaded. */
void @NAME@_read_weights(const @NAME@_weights *weights, int64_t *codes);

int64_t @NAME@_score_with(const @NAME@_weights *weights, const int16_t *objects, uint8_t *accept);
void @NAME@_score_batch_with(const @NAME@_weights *weights, const int16_t *objects, int64_t n, int64_t *scores,
                             uint8_t *accept);
void @NAME@_latents_batch_with(const @NAME@_weights *weights, const int16_t *objects, int64_t n, int32_t *latents);
