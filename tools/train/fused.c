// The memory-bound pieces of a training step, each in one pass over bf16 data, for one thread: PyTorch 1.13 on a
// CPU spends as long in these as in matrix products. fused_check.py compares them with ops_plain.py.
#include <math.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;

static inline float up(bf16 x) {
  uint32_t u = (uint32_t)x << 16;
  float f;
  memcpy(&f, &u, 4);
  return f;
}

static inline bf16 down(float f) {
  uint32_t u;
  memcpy(&u, &f, 4);
  return (bf16)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

// out = h + delta (delta may be null: out is then not written), y = out / rms(out) * w.
void add_norm_forward(int n, int d, float eps, const float *h, const bf16 *delta, const float *w, float *out,
                      bf16 *y, float *rstd) {
  for (int i = 0; i < n; i++) {
    const float *x = h + (long)i * d;
    float sum = 0;
    if (delta) {
      float *o = out + (long)i * d;
      for (int j = 0; j < d; j++) o[j] = x[j] + up(delta[(long)i * d + j]);
      x = o;
    }
    for (int j = 0; j < d; j++) sum += x[j] * x[j];
    float r = rstd[i] = 1.0f / sqrtf(sum / d + eps);
    for (int j = 0; j < d; j++) y[(long)i * d + j] = down(x[j] * r * w[j]);
  }
}

// dh = dout + gradient through the norm; ddelta is its bf16 copy (may be null); dw is added to.
void add_norm_backward(int n, int d, const float *x, const float *w, const float *rstd, const bf16 *dy,
                       const float *dout, float *dh, bf16 *ddelta, float *dw) {
  for (int i = 0; i < n; i++) {
    const float *xi = x + (long)i * d;
    const bf16 *g = dy + (long)i * d;
    float *o = dh + (long)i * d;
    float r = rstd[i], dot = 0;
    for (int j = 0; j < d; j++) {
      float gj = up(g[j]), xr = xi[j] * r;
      dw[j] += gj * xr;
      dot += gj * w[j] * xr;
    }
    dot /= d;
    for (int j = 0; j < d; j++) o[j] = r * (up(g[j]) * w[j] - xi[j] * r * dot);
    if (dout)
      for (int j = 0; j < d; j++) o[j] += dout[(long)i * d + j];
    if (ddelta)
      for (int j = 0; j < d; j++) ddelta[(long)i * d + j] = down(o[j]);
  }
}

// gu holds a row of gates, then a row of ups; y = silu(gate) * up.
void swiglu_forward(int n, int f, const bf16 *gu, bf16 *y) {
  for (int i = 0; i < n; i++) {
    const bf16 *g = gu + (long)i * 2 * f, *u = g + f;
    for (int j = 0; j < f; j++) {
      float a = up(g[j]);
      y[(long)i * f + j] = down(a / (1.0f + expf(-a)) * up(u[j]));
    }
  }
}

void swiglu_backward(int n, int f, const bf16 *gu, const bf16 *dy, bf16 *dgu) {
  for (int i = 0; i < n; i++) {
    const bf16 *g = gu + (long)i * 2 * f, *u = g + f;
    bf16 *dg = dgu + (long)i * 2 * f, *du = dg + f;
    for (int j = 0; j < f; j++) {
      float a = up(g[j]), s = 1.0f / (1.0f + expf(-a)), d = up(dy[(long)i * f + j]);
      dg[j] = down(d * up(u[j]) * s * (1.0f + a * (1.0f - s)));
      du[j] = down(d * a * s);
    }
  }
}

static inline void rotate(const bf16 *x, bf16 *y, const float *cs, int half, float sign) {
  for (int i = 0; i < half; i++) {
    float a = up(x[2 * i]), b = up(x[2 * i + 1]), c = cs[2 * i], s = sign * cs[2 * i + 1];
    y[2 * i] = down(a * c - b * s);
    y[2 * i + 1] = down(a * s + b * c);
  }
}

// Between qkv [batch*t, (hq+2*hk)*hd] and the layouts of attention: q [t/block, batch*hk, hq/hk, block, hd] in
// query blocks, k and v [batch*hk, t, hd]. `table` holds (cos, sin) pairs for each position. Forward rotates by
// the position's angle; backward moves gradients the other way and rotates back.
void split_heads(int batch, int t, int hq, int hk, int hd, int block, int backward, bf16 *qkv, const int *pos,
                 const float *table, bf16 *q, bf16 *k, bf16 *v) {
  int group = hq / hk, width = (hq + 2 * hk) * hd;
  for (long row = 0; row < (long)batch * t; row++) {
    long b = row / t, i = row % t;
    bf16 *src = qkv + row * width;
    const float *cs = table + (long)pos[row] * hd;
    for (int h = 0; h < hq + hk; h++) {
      bf16 *dst = h < hq ? q + (((i / block * batch * hk + b * hk + h / group) * group + h % group) * block + i % block) * hd
                         : k + ((b * hk + h - hq) * t + i) * hd;
      if (backward) rotate(dst, src + h * hd, cs, hd / 2, -1.0f);
      else rotate(src + h * hd, dst, cs, hd / 2, 1.0f);
    }
    for (int h = 0; h < hk; h++) {
      bf16 *a = src + (hq + hk + h) * hd, *c = v + ((b * hk + h) * t + i) * hd;
      if (backward) memcpy(a, c, hd * sizeof(bf16));
      else memcpy(c, a, hd * sizeof(bf16));
    }
  }
}

// Between attention's output in q's layout and rows [batch*t, hq*hd].
void merge_heads(int batch, int t, int hq, int hk, int hd, int block, int backward, bf16 *blocks, bf16 *rows) {
  int group = hq / hk;
  for (long row = 0; row < (long)batch * t; row++) {
    long b = row / t, i = row % t;
    for (int h = 0; h < hq; h++) {
      bf16 *a = blocks + (((i / block * batch * hk + b * hk + h / group) * group + h % group) * block + i % block) * hd;
      bf16 *c = rows + (row * hq + h) * hd;
      if (backward) memcpy(a, c, hd * sizeof(bf16));
      else memcpy(c, a, hd * sizeof(bf16));
    }
  }
}

// Rows of scores [rows, keys], in place: softmax over the keys that the row's query may see.
void softmax_forward(int rows, int keys, int block, int first, float scale, bf16 *s) {
  for (int r = 0; r < rows; r++) {
    bf16 *x = s + (long)r * keys;
    int n = first + r % block + 1;
    float e[8192], top = -INFINITY, sum = 0;
    for (int j = 0; j < n; j++) top = fmaxf(top, e[j] = up(x[j]));
    for (int j = 0; j < n; j++) sum += e[j] = expf((e[j] - top) * scale);
    sum = 1.0f / sum;
    for (int j = 0; j < n; j++) x[j] = down(e[j] * sum);
    memset(x + n, 0, (keys - n) * sizeof(bf16));
  }
}

// dp becomes the gradient of the scores before scaling.
void softmax_backward(int rows, int keys, int block, int first, float scale, const bf16 *p, bf16 *dp) {
  for (int r = 0; r < rows; r++) {
    const bf16 *x = p + (long)r * keys;
    bf16 *g = dp + (long)r * keys;
    int n = first + r % block + 1;
    float dot = 0;
    for (int j = 0; j < n; j++) dot += up(x[j]) * up(g[j]);
    for (int j = 0; j < n; j++) g[j] = down(up(x[j]) * (up(g[j]) - dot) * scale);
    memset(g + n, 0, (keys - n) * sizeof(bf16));
  }
}

// logits become weight * gradient; loss[i] is the negative log likelihood, not weighted.
void cross_entropy(int n, int vocab, bf16 *logits, const int *target, const float *weight, float *loss) {
  for (int i = 0; i < n; i++) {
    bf16 *x = logits + (long)i * vocab;
    float e[16384], top = -INFINITY, sum = 0, hit = up(x[target[i]]);
    for (int j = 0; j < vocab; j++) top = fmaxf(top, e[j] = up(x[j]));
    for (int j = 0; j < vocab; j++) sum += e[j] = expf(e[j] - top);
    loss[i] = logf(sum) + top - hit;
    float a = weight[i] / sum;
    float at_target = e[target[i]] * a - weight[i];
    for (int j = 0; j < vocab; j++) x[j] = down(e[j] * a);
    x[target[i]] = down(at_target);
  }
}
