/* SPDX-License-Identifier: BSD-3-Clause */
/* The network: forward, backward and update, as plain loops. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "network.h"

#define PIXEL_MAX 16.0f
#define LIMIT 0x1p10f            /* of all values: see NETWORK_MAX_BATCH */
#define MOMENTUM 0.9f

struct network {
    size_t hidden, count;        /* units; weights */
    float *weights, *momentum;   /* w1[64][hidden] b1[hidden] w2[hidden][10]
                                    b2[10], one after the other */
    float *unit, *unit_error;    /* of the sample at hand: [hidden] each */
    float input[NETWORK_INPUTS], output[NETWORK_CLASSES];
};

/* Where each of the four arrays begins. */
struct parts {
    size_t w1, b1, w2, b2;
};

static struct parts parts(const struct network *net)
{
    size_t b1 = NETWORK_INPUTS * net->hidden;
    size_t w2 = b1 + net->hidden;
    return (struct parts){ 0, b1, w2, w2 + net->hidden * NETWORK_CLASSES };
}

/* splitmix64: small, and the same everywhere. */
static uint64_t draw(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Uniform weights of variance 2 / inputs, as ReLU likes them. */
static void fill(float *weights, size_t count, size_t inputs, uint64_t *state)
{
    float bound = sqrtf(6.0f / (float)inputs);
    for (size_t i = 0; i < count; i++) {
        float from_0_to_1 = (float)(draw(state) >> 40) * 0x1p-24f;
        weights[i] = (2.0f * from_0_to_1 - 1.0f) * bound;
    }
}

/* out[j] += sum over i of in[i] * weights[i][j], in the order of i. The loop
 * over j is inside so that it can use vector instructions: a compiler must
 * not reorder a sum of floats, but these are many sums side by side. */
static void multiply(const float *in, size_t inputs, const float *weights,
                     float *restrict out, size_t outputs)
{
    for (size_t i = 0; i < inputs; i++)
        for (size_t j = 0; j < outputs; j++)
            out[j] += in[i] * weights[i * outputs + j];
}

static void forward(struct network *net, const float *pixels)
{
    struct parts at = parts(net);
    const float *w = net->weights;
    for (size_t i = 0; i < NETWORK_INPUTS; i++)
        net->input[i] = pixels[i] / PIXEL_MAX;
    for (size_t j = 0; j < net->hidden; j++)
        net->unit[j] = w[at.b1 + j];
    multiply(net->input, NETWORK_INPUTS, w + at.w1, net->unit, net->hidden);
    for (size_t j = 0; j < net->hidden; j++)
        net->unit[j] = net->unit[j] > 0 ? net->unit[j] : 0;
    for (size_t k = 0; k < NETWORK_CLASSES; k++)
        net->output[k] = w[at.b2 + k];
    multiply(net->unit, net->hidden, w + at.w2, net->output,
             NETWORK_CLASSES);
}

/* Turn the outputs into probabilities; the loss is -log of the label's.
 * The largest output is taken off first, so that nothing overflows. */
static float softmax(float *output, int32_t label)
{
    float largest = output[0], total = 0, wanted;
    for (size_t k = 1; k < NETWORK_CLASSES; k++)
        largest = output[k] > largest ? output[k] : largest;
    wanted = output[label] - largest;
    for (size_t k = 0; k < NETWORK_CLASSES; k++)
        total += output[k] = expf(output[k] - largest);
    for (size_t k = 0; k < NETWORK_CLASSES; k++)
        output[k] /= total;
    return logf(total) - wanted;
}

/* False for what is not a number, too. */
static bool within(const float *values, size_t count, float limit)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(values[i]) <= limit))
            return false;
    return true;
}

/* The same as NETWORK_UNIT, the other way round. Scaling by a power of two
 * is exact; the cast drops what is below one unit. */
static int64_t to_units(float value)
{
    return (int64_t)(value * 0x1p36f);
}

/* sum[i][j] += in[i] * error[j], in units. */
static void add_products(const float *in, size_t inputs, const float *error,
                         int64_t *restrict sum, size_t outputs)
{
    for (size_t i = 0; i < inputs; i++)
        for (size_t j = 0; j < outputs; j++)
            sum[i * outputs + j] += to_units(in[i] * error[j]);
}

struct network *network_create(size_t hidden, uint64_t seed)
{
    struct network *net = calloc(1, sizeof(*net));
    if (!net)
        return NULL;
    net->hidden = hidden;
    net->count = parts(net).b2 + NETWORK_CLASSES;
    net->weights = calloc(net->count, sizeof(float));
    net->momentum = calloc(net->count, sizeof(float));
    net->unit = calloc(hidden, sizeof(float));
    net->unit_error = calloc(hidden, sizeof(float));
    if (!net->weights || !net->momentum || !net->unit || !net->unit_error) {
        network_destroy(net);
        return NULL;
    }
    struct parts at = parts(net);
    fill(net->weights + at.w1, at.b1 - at.w1, NETWORK_INPUTS, &seed);
    fill(net->weights + at.w2, at.b2 - at.w2, hidden, &seed);
    return net;
}

void network_destroy(struct network *net)
{
    if (!net)
        return;
    free(net->weights);
    free(net->momentum);
    free(net->unit);
    free(net->unit_error);
    free(net);
}

size_t network_sums(const struct network *net)
{
    return net->count + 1;
}

int network_add(struct network *net, const float *pixels, int32_t label,
                int64_t *sum, struct mlb_error *err)
{
    if (label < 0 || label >= NETWORK_CLASSES ||
        !within(pixels, NETWORK_INPUTS, PIXEL_MAX))
        return mlb_error_set(err, MLB_ERR_BAD_INPUT,
                             "a label is not 0..9 or a pixel not 0..16");
    struct parts at = parts(net);
    forward(net, pixels);
    float loss = softmax(net->output, label);

    /* From here on output and unit_error are what the loss changes by when
     * the input of that output or unit does. */
    net->output[label] -= 1.0f;
    for (size_t j = 0; j < net->hidden; j++) {
        const float *w2 = net->weights + at.w2 + j * NETWORK_CLASSES;
        float error = 0;
        for (size_t k = 0; k < NETWORK_CLASSES; k++)
            error += w2[k] * net->output[k];
        net->unit_error[j] = net->unit[j] > 0 ? error : 0;
    }
    if (!within(&loss, 1, LIMIT) || !within(net->unit, net->hidden, LIMIT) ||
        !within(net->unit_error, net->hidden, LIMIT))
        return mlb_error_set(err, MLB_ERR_FAILED,
                             "training has diverged; a smaller --rate helps");

    /* Inputs and outputs are within 1 here, so products are within LIMIT. */
    static const float one = 1.0f;
    add_products(net->input, NETWORK_INPUTS, net->unit_error, sum + at.w1,
                 net->hidden);
    add_products(&one, 1, net->unit_error, sum + at.b1, net->hidden);
    add_products(net->unit, net->hidden, net->output, sum + at.w2,
                 NETWORK_CLASSES);
    add_products(&one, 1, net->output, sum + at.b2, NETWORK_CLASSES);
    sum[net->count] += to_units(loss);
    return 0;
}

void network_update(struct network *net, const int64_t *sum, uint64_t batch,
                    double rate)
{
    double scale = rate * NETWORK_UNIT / (double)batch;
    for (size_t i = 0; i < net->count; i++) {
        float step = (float)((double)sum[i] * scale);
        net->momentum[i] = MOMENTUM * net->momentum[i] - step;
        net->weights[i] += net->momentum[i];
    }
}

int network_guess(struct network *net, const float *pixels)
{
    int best = 0;
    forward(net, pixels);
    for (int k = 1; k < NETWORK_CLASSES; k++)
        if (net->output[k] > net->output[best])
            best = k;
    return best;
}

void network_tensors(struct network *net,
                     struct mlb_tensor tensors[NETWORK_TENSORS])
{
    static const char *const names[NETWORK_TENSORS] = {
        "layer1/weight", "layer1/bias",
        "layer2/weight", "layer2/bias",
        "momentum/layer1/weight", "momentum/layer1/bias",
        "momentum/layer2/weight", "momentum/layer2/bias",
    };
    struct parts at = parts(net);
    const struct mlb_tensor shapes[] = {
        { .rank = 2, .shape = { NETWORK_INPUTS, net->hidden },
          .data = net->weights + at.w1 },
        { .rank = 1, .shape = { net->hidden },
          .data = net->weights + at.b1 },
        { .rank = 2, .shape = { net->hidden, NETWORK_CLASSES },
          .data = net->weights + at.w2 },
        { .rank = 1, .shape = { NETWORK_CLASSES },
          .data = net->weights + at.b2 },
    };
    for (int i = 0; i < NETWORK_TENSORS; i++) {
        const struct mlb_tensor *shape = &shapes[i % 4];
        tensors[i] = *shape;
        tensors[i].name = names[i];
        tensors[i].dtype = MLB_F32;
        if (i >= 4)
            tensors[i].data =
                net->momentum + ((const float *)shape->data - net->weights);
    }
}

uint64_t network_checksum(const struct network *net)
{
    const unsigned char *bytes = (const unsigned char *)net->weights;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < net->count * sizeof(float); i++)
        hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}
