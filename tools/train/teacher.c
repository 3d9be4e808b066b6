// Stories by a llama2.c checkpoint, such as stories260K: `teacher model.bin tokenizer.bin lines seed > stories.txt`.
// It runs 16 texts side by side, one in each lane of a vector: so small a model is then bound by arithmetic.
// Each line of texts starts at <s> and is as long as the model's context; stories end where the model emits <s> again,
// and the one that the context cuts off is left out. Build: gcc -O3 -march=native -ffast-math teacher.c -lm
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kLanes = 16, kRows = 8, kBos = 1 };
typedef float lanes __attribute__((vector_size(4 * kLanes)));

static const float kTemperature = 0.9f;  // a model this small errs in its tail
static const float kLeast = 0.01f;       // tokens below this part of the likeliest one's probability are not drawn

static struct { int dim, ffn, layers, heads, kv_heads, vocab, context; } c;
static float *emb, *att_norm, *wq, *wk, *wv, *wo, *ffn_norm, *w1, *w2, *w3, *last_norm, *head;
static char **pieces;

static void *must(void *p) {
  if (!p) { perror("teacher"); exit(1); }
  return p;
}

static void load_model(const char *path) {
  FILE *f = must(fopen(path, "rb"));
  if (fread(&c, sizeof c, 1, f) != 1) exit(1);
  int shared = c.vocab > 0;
  c.vocab = abs(c.vocab);
  long L = c.layers, d = c.dim, kv = (long)c.dim / c.heads * c.kv_heads;
  struct { float **at; long size; } parts[] = {
      {&emb, c.vocab * d}, {&att_norm, L * d}, {&wq, L * d * d}, {&wk, L * d * kv}, {&wv, L * d * kv}, {&wo, L * d * d},
      {&ffn_norm, L * d}, {&w1, L * d * c.ffn}, {&w2, L * d * c.ffn}, {&w3, L * d * c.ffn}, {&last_norm, d},
      {&head, (long)c.context * d / c.heads}, {&head, shared ? 0 : c.vocab * d}};
  for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {  // the last but one holds RoPE's table: not needed
    if (!parts[i].size) { head = emb; continue; }
    *parts[i].at = must(malloc(parts[i].size * sizeof(float)));
    if (fread(*parts[i].at, sizeof(float), parts[i].size, f) != (size_t)parts[i].size) exit(1);
  }
  fclose(f);
}

static void load_pieces(const char *path) {
  FILE *f = must(fopen(path, "rb"));
  int longest, n;
  float score;
  if (fread(&longest, 4, 1, f) != 1) exit(1);
  pieces = must(calloc(c.vocab, sizeof *pieces));
  for (int i = 0; i < c.vocab; i++) {
    if (fread(&score, 4, 1, f) != 1 || fread(&n, 4, 1, f) != 1) exit(1);
    pieces[i] = must(calloc(n + 1, 1));
    if (fread(pieces[i], 1, n, f) != (size_t)n) exit(1);
  }
  fclose(f);
}

// y [rows] = w [rows, cols] x [cols]; rows are a multiple of kRows, but for the last few.
static void matmul(lanes *y, const float *w, const lanes *x, int rows, int cols) {
  for (int r = 0; r < rows; r += kRows) {
    lanes sum[kRows] = {0};
    int n = rows - r < kRows ? rows - r : kRows;
    if (n == kRows)
      for (int j = 0; j < cols; j++)
        for (int i = 0; i < kRows; i++) sum[i] += w[(long)(r + i) * cols + j] * x[j];
    else
      for (int j = 0; j < cols; j++)
        for (int i = 0; i < n; i++) sum[i] += w[(long)(r + i) * cols + j] * x[j];
    for (int i = 0; i < n; i++) y[r + i] = sum[i];
  }
}

static void norm(lanes *y, const lanes *x, const float *w) {
  lanes s = {0};
  for (int j = 0; j < c.dim; j++) s += x[j] * x[j];
  for (int l = 0; l < kLanes; l++) s[l] = 1 / sqrtf(s[l] / c.dim + 1e-5f);
  for (int j = 0; j < c.dim; j++) y[j] = x[j] * s * w[j];
}

static lanes exp_of(lanes x) {
  for (int l = 0; l < kLanes; l++) x[l] = expf(x[l]);
  return x;
}

static lanes greater(lanes a, lanes b) {
  for (int l = 0; l < kLanes; l++) a[l] = a[l] > b[l] ? a[l] : b[l];
  return a;
}

static void rope(lanes *x, int heads, int pos) {
  int hd = c.dim / c.heads;
  for (int i = 0; i < heads * hd; i += 2) {
    float angle = pos * powf(10000.0f, -(float)(i % hd) / hd), co = cosf(angle), si = sinf(angle);
    lanes a = x[i], b = x[i + 1];
    x[i] = a * co - b * si;
    x[i + 1] = a * si + b * co;
  }
}

static lanes *row(long count) { return must(aligned_alloc(64, count * sizeof(lanes))); }

// Logits of 16 texts at `pos`; keys and values [layers, context, kv] are kept.
static void forward(const int *tokens, int pos, lanes *keys, lanes *values, lanes *logits) {
  static lanes *x, *y, *q, *o, *g, *u, *p;
  int d = c.dim, hd = d / c.heads, kv = hd * c.kv_heads;
  if (!x) x = row(d), y = row(d), q = row(d), o = row(d), g = row(c.ffn), u = row(c.ffn), p = row(c.context);
  for (int j = 0; j < d; j++)
    for (int l = 0; l < kLanes; l++) x[j][l] = emb[(long)tokens[l] * d + j];
  for (long layer = 0; layer < c.layers; layer++) {
    lanes *k = keys + (layer * c.context) * kv, *v = values + (layer * c.context) * kv;
    norm(y, x, att_norm + layer * d);
    matmul(q, wq + layer * d * d, y, d, d);
    matmul(k + (long)pos * kv, wk + layer * d * kv, y, kv, d);
    matmul(v + (long)pos * kv, wv + layer * d * kv, y, kv, d);
    rope(q, c.heads, pos);
    rope(k + (long)pos * kv, c.kv_heads, pos);
    for (int h = 0; h < c.heads; h++) {
      int at = h / (c.heads / c.kv_heads) * hd;
      lanes top = {0}, sum = {0};
      for (int t = 0; t <= pos; t++) {
        lanes s = {0};
        for (int i = 0; i < hd; i++) s += q[h * hd + i] * k[(long)t * kv + at + i];
        p[t] = s * (1 / sqrtf(hd));
        top = t ? greater(top, p[t]) : p[t];
      }
      for (int i = 0; i < hd; i++) o[h * hd + i] = (lanes){0};
      for (int t = 0; t <= pos; t++) {
        lanes e = exp_of(p[t] - top);
        sum += e;
        for (int i = 0; i < hd; i++) o[h * hd + i] += e * v[(long)t * kv + at + i];
      }
      for (int i = 0; i < hd; i++) o[h * hd + i] /= sum;
    }
    matmul(y, wo + layer * d * d, o, d, d);
    for (int j = 0; j < d; j++) x[j] += y[j];
    norm(y, x, ffn_norm + layer * d);
    matmul(g, w1 + layer * d * c.ffn, y, c.ffn, d);
    matmul(u, w3 + layer * d * c.ffn, y, c.ffn, d);
    for (int j = 0; j < c.ffn; j++) g[j] = g[j] / (1 + exp_of(-g[j])) * u[j];
    matmul(y, w2 + layer * d * c.ffn, g, d, c.ffn);
    for (int j = 0; j < d; j++) x[j] += y[j];
  }
  norm(y, x, last_norm);
  matmul(logits, head, y, c.vocab, d);
}

static uint64_t state;

static float uniform(void) {  // splitmix64
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return ((z ^ z >> 31) >> 40) * 0x1p-24f;
}

static void draw(lanes *logits, int *tokens) {
  lanes top = logits[0], sum = {0};
  for (int i = 1; i < c.vocab; i++) top = greater(top, logits[i]);
  for (int i = 0; i < c.vocab; i++) {
    lanes e = exp_of((logits[i] - top) / kTemperature);
    for (int l = 0; l < kLanes; l++) e[l] = e[l] < kLeast ? 0 : e[l];
    sum += logits[i] = e;
  }
  for (int l = 0; l < kLanes; l++) {
    float left = uniform() * sum[l];
    int i = 0;
    for (; i < c.vocab - 1 && (left -= logits[i][l]) >= 0; i++) {}
    tokens[l] = i;
  }
}

static void print(const int *ids, int n) {
  for (int i = 0; i < n; i++) {
    unsigned byte;
    const char *s = pieces[ids[i]];
    if (i == 0 && *s == ' ') s++;
    if (sscanf(s, "<0x%02X>", &byte) == 1) putchar(byte);
    else fputs(s, stdout);
  }
  puts("\n<|endoftext|>");
}

int main(int argc, char **argv) {
  if (argc != 5) return fputs("teacher model.bin tokenizer.bin lines seed\n", stderr), 2;
  load_model(argv[1]);
  load_pieces(argv[2]);
  state = strtoull(argv[4], 0, 10) << 32;
  long kv = (long)c.dim / c.heads * c.kv_heads, size = c.layers * c.context * kv;
  lanes *keys = row(size), *values = row(size), *logits = row(c.vocab);
  int *texts = must(malloc(sizeof(int) * kLanes * (c.context + 1)));
  for (long line = 0; line < atol(argv[3]); line += kLanes) {
    int tokens[kLanes];
    for (int l = 0; l < kLanes; l++) texts[l * (c.context + 1)] = tokens[l] = kBos;
    for (int pos = 0; pos < c.context; pos++) {
      forward(tokens, pos, keys, values, logits);
      draw(logits, tokens);
      for (int l = 0; l < kLanes; l++) texts[l * (c.context + 1) + pos + 1] = tokens[l];
    }
    for (int l = 0; l < kLanes; l++) {
      const int *ids = texts + l * (c.context + 1);
      for (int start = 1, i = 1; i <= c.context; i++)
        if (ids[i] == kBos) {
          if (i > start) print(ids + start, i - start);
          start = i + 1;
        }
    }
  }
}
