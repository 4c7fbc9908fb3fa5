// The functions of an exported network, each below its name: NAME, REAL, and F at the end of float's functions
// are filled in, and a file gets those that it uses. SELU_…, GELU_… and PIECES_… are whygrad's constants.

//@ dense
/* z = W x + b, in the precision of training. */
static void NAME_dense(const REAL *W, const REAL *b, int units, int inputs, const REAL *x, REAL *z)
{
    int j, k;
    for (j = 0; j < units; j++) {
        REAL sum = 0;
        for (k = 0; k < inputs; k++)
            sum += W[j * inputs + k] * x[k];
        z[j] = sum + b[j];
    }
}

//@ pieces
/* A number as z, smoothly clipped, and its shares of the n - 1 bins between edges, of which the first goes on
 * to -1 and the last to 2. */
static void NAME_pieces(double value, double center, double scale, const double *edges, int n, REAL *x)
{
    double z = (value - center) / scale;
    int t;
    x[0] = (REAL)(z / hypot(1, z / PIECES_BOUND));
    for (t = 1; t < n; t++) {
        double share = (value - edges[t - 1]) / (edges[t] - edges[t - 1]);
        double low = t == 1 ? -1 : 0, high = t == n - 1 ? 2 : 1;
        x[t] = (REAL)(PIECES_WEIGHT * (share < low ? low : share > high ? high : share));
    }
}

//@ sigmoid
static REAL NAME_sigmoid(REAL z)
{
    return z >= 0 ? 1 / (1 + expF(-z)) : expF(z) / (1 + expF(z));
}

//@ tanh
static REAL NAME_tanh(REAL z)
{
    return tanhF(z);
}

//@ relu
static REAL NAME_relu(REAL z)
{
    return z < 0 ? 0 : z;
}

//@ leaky_relu
static REAL NAME_leaky_relu(REAL z, REAL slope)
{
    return z < 0 ? slope * z : z;
}

//@ elu
static REAL NAME_elu(REAL z, REAL alpha)
{
    return z < 0 ? alpha * expm1F(z) : z;
}

//@ selu
static REAL NAME_selu(REAL z)
{
    return (REAL)SELU_SCALE * (z < 0 ? (REAL)SELU_ALPHA * expm1F(z) : z);
}

//@ gelu
static REAL NAME_gelu(REAL z)
{
    return z / 2 * erfcF(-z * (REAL)0.7071067811865476);
}

//@ gelu_tanh
static REAL NAME_gelu_tanh(REAL z)
{
    return z / 2 * (1 + tanhF((REAL)GELU_SCALE * (z + (REAL)GELU_CUBIC * z * z * z)));
}

//@ silu
static REAL NAME_silu(REAL z)
{
    return z >= 0 ? z / (1 + expF(-z)) : z * expF(z) / (1 + expF(z));
}

//@ softplus
static REAL NAME_softplus(REAL z)
{
    return (z < 0 ? 0 : z) + log1pF(expF(-fabsF(z)));
}

//@ sharp_softplus
static REAL NAME_sharp_softplus(REAL z, REAL beta, REAL threshold)
{
    REAL steep = beta * z;
    return steep > threshold ? z : ((steep < 0 ? 0 : steep) + log1pF(expF(-fabsF(steep)))) / beta;
}

//@ clipped
static REAL NAME_clipped(REAL z, REAL low, REAL high)
{
    return z < low ? low : z > high ? high : z;
}

//@ celu
static REAL NAME_celu(REAL z, REAL alpha)
{
    return z < 0 ? alpha * expm1F(z / alpha) : z;
}

//@ mish
static REAL NAME_mish(REAL z)
{
    return z * tanhF((z < 0 ? 0 : z) + log1pF(expF(-fabsF(z))));
}

//@ softsign
static REAL NAME_softsign(REAL z)
{
    return z / (1 + fabsF(z));
}

//@ exp
static REAL NAME_exp(REAL z)
{
    return expF(z);
}

//@ softmax
static void NAME_softmax(REAL *z, int units)
{
    REAL highest = z[0], sum = 0;
    int j;
    for (j = 1; j < units; j++)
        if (z[j] > highest)
            highest = z[j];
    for (j = 0; j < units; j++) {
        z[j] = expF(z[j] - highest);
        sum += z[j];
    }
    for (j = 0; j < units; j++)
        z[j] /= sum;
}

//@ find
/* A text that is known, and the place of its 1 among the columns that it becomes; -1 is nowhere. */
typedef struct {
    const char *text;
    int place;
} NAME_code;

static int NAME_find(const char *text, const NAME_code *codes, int n, int other)
{
    int low = 0, high = n - 1;
    if (text == NULL)
        text = "";
    while (low <= high) {
        int middle = (low + high) / 2, order = strcmp(text, codes[middle].text);
        if (order == 0)
            return codes[middle].place;
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return other;
}

//@ civil
/* Year, month from 0, and day of a number of days since 1970. A year begins in March, so that the leap day
 * ends it; 146097 days are 400 years (Hinnant, 2013). */
static void NAME_civil(double days, double *year, double *month, double *day)
{
    double shifted = days + 719468, era = floor(shifted / 146097), rest = shifted - era * 146097;
    double leap = floor(rest / 1460) - floor(rest / 36524) + floor(rest / 146096);
    double of_era = floor((rest - leap) / 365);
    double of_year = rest - (365 * of_era + floor(of_era / 4) - floor(of_era / 100));
    double march = floor((5 * of_year + 2) / 153);
    *year = of_era + era * 400 + (march > 9);
    *month = march + 2 - 12 * (march > 9);
    *day = of_year - floor((153 * march + 2) / 5) + 1;
}
