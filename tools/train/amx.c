// Matrix products of a training step on AMX bf16, one thread each: oneDNN 2.6 reaches a sixth of what the tiles
// can do at these sizes. Callers give each thread its own product; nothing here is parallel. Processors with AVX-512
// bf16 and no AMX (Zen 4) take the same path with VDPBF16PS in place of tiles.
//
// All extents are multiples of 32. A tile of A is 16 rows of 32 values; a tile of B is 16 rows of 16 value pairs
// (k, k + 1). Packed operands hold pairs of tiles, [outer / 32][k / 32][2][1024 bytes].
#include <immintrin.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef uint16_t bf16;

#ifdef __AMX_BF16__

static const struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16];
  uint8_t rows[16];
} kTiles = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

// 0 if the kernel lets this process use tiles; call it before threads start.
int amx_request(void) { return (int)syscall(SYS_arch_prctl, 0x1023, 18); }

static void tiles_on(void) {
  __asm__ volatile("ldtilecfg %0" : : "m"(kTiles));
}

static void tiles_off(void) { _tile_release(); }

// One 32 x 32 block: `k` is counted in tiles.
static inline void block(int k, const bf16 *a, const bf16 *b) {
  for (int j = 0; j < k; j++, a += 1024, b += 1024) {
    _tile_loadd(4, a, 64);
    _tile_loadd(6, b, 64);
    _tile_loadd(7, b + 512, 64);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(5, a + 512, 64);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

static inline void block_new(int k, const bf16 *a, const bf16 *b, float f[32][32]) {
  _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
  block(k, a, b);
  _tile_stored(0, f[0], 128); _tile_stored(1, f[0] + 16, 128); _tile_stored(2, f[16], 128); _tile_stored(3, f[16] + 16, 128);
}

static inline void block_add(int k, const bf16 *a, const bf16 *b, float *c, long ldc) {
  _tile_loadd(0, c, ldc * 4); _tile_loadd(1, c + 16, ldc * 4);
  _tile_loadd(2, c + 16 * ldc, ldc * 4); _tile_loadd(3, c + 16 * ldc + 16, ldc * 4);
  block(k, a, b);
  _tile_stored(0, c, ldc * 4); _tile_stored(1, c + 16, ldc * 4);
  _tile_stored(2, c + 16 * ldc, ldc * 4); _tile_stored(3, c + 16 * ldc + 16, ldc * 4);
}

#elif defined(__AVX512BF16__)

int amx_request(void) { return 0; }
static void tiles_on(void) {}
static void tiles_off(void) {}

// 8 rows of a 32 x 32 block at c, added to what is there: 16 sums hide the latency of VDPBF16PS.
static inline void block_rows(int k, const bf16 *a, const bf16 *b, float *c, long ldc) {
  __m512 sum[8][2];
  for (int r = 0; r < 8; r++)
    for (int h = 0; h < 2; h++) sum[r][h] = _mm512_loadu_ps(c + r * ldc + 16 * h);
  for (int j = 0; j < k; j++, a += 1024, b += 1024)
    for (int i = 0; i < 32; i += 2) {
      __m512bh left = (__m512bh)_mm512_load_si512(b + 16 * i), right = (__m512bh)_mm512_load_si512(b + 512 + 16 * i);
#pragma GCC unroll 8
      for (int r = 0; r < 8; r++) {
        __m512bh x = (__m512bh)_mm512_set1_epi32(*(const int *)(a + 32 * r + i));
        sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, left);
        sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, right);
      }
    }
  for (int r = 0; r < 8; r++)
    for (int h = 0; h < 2; h++) _mm512_storeu_ps(c + r * ldc + 16 * h, sum[r][h]);
}

static inline void block_add(int k, const bf16 *a, const bf16 *b, float *c, long ldc) {
  for (int r = 0; r < 32; r += 8) block_rows(k, a + 32 * r, b, c + r * ldc, ldc);
}

static inline void block_new(int k, const bf16 *a, const bf16 *b, float f[32][32]) {
  memset(f, 0, 32 * 32 * sizeof(float));
  block_add(k, a, b, f[0], 32);
}

#else
#error "needs AMX bf16 or AVX-512 bf16"
#endif

enum { kBigPack = 2 << 20, kSide = 1024 };  // values in a thread's pack buffer; extent of a dW pass
static __thread bf16 *pack_a, *pack_b;

static void buffers(void) {
  if (pack_a) return;
  pack_a = _mm_malloc(kBigPack * sizeof(bf16), 4096);
  pack_b = _mm_malloc(kBigPack * sizeof(bf16), 4096);
}

static void transpose16(__m512i r[16]) {
  __m512i t[16];
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; i++) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
  }
}

// 16 columns of the rows k, k + 1 as pairs.
static inline __m512i pairs(const bf16 *x, long ld) {
  __m512i a = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)x));
  __m512i b = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)(x + ld)));
  return _mm512_or_si512(a, _mm512_slli_epi32(b, 16));
}

// A operand from rows [rows, k].
static void pack_rows(const bf16 *x, long ld, int rows, int k, bf16 *out) {
  for (int r = 0; r < rows; r += 32)
    for (int j = 0; j < k; j += 32)
      for (int i = 0; i < 32; i++, out += 32) memcpy(out, x + (r + i) * ld + j, 64);
}

// A operand from its transpose [k, rows].
static void pack_cols(const bf16 *x, long ld, int rows, int k, bf16 *out) {
  for (int j = 0; j < k; j += 32)  // along the rows of x, so that the prefetcher follows
    for (int r = 0; r < rows; r += 32)
      for (int h = 0; h < 2; h++) {
        __m512i v[16];
        for (int i = 0; i < 16; i++) v[i] = pairs(x + (j + 2 * i) * ld + r + 16 * h, ld);
        transpose16(v);
        for (int i = 0; i < 16; i++) _mm512_store_si512(out + (long)r * k + j * 32 + h * 512 + 32 * i, v[i]);
      }
}

// B operand from [k, n].
static void pack_kn(const bf16 *x, long ld, int k, int n, bf16 *out) {
  for (int j = 0; j < k; j += 32)
    for (int c = 0; c < n; c += 32)
      for (int h = 0; h < 2; h++)
        for (int i = 0; i < 16; i++)
          _mm512_storeu_si512(out + (long)c * k + j * 32 + h * 512 + 32 * i,
                              pairs(x + (j + 2 * i) * ld + c + 16 * h, ld));
}

// B operand from its transpose [n, k].
static void pack_nk(const bf16 *x, long ld, int k, int n, bf16 *out) {
  for (int c = 0; c < n; c += 32)
    for (int j = 0; j < k; j += 32)
      for (int h = 0; h < 2; h++, out += 512) {
        __m512i v[16];
        for (int i = 0; i < 16; i++) v[i] = _mm512_loadu_si512(x + (c + 16 * h + i) * ld + j);
        transpose16(v);
        for (int i = 0; i < 16; i++) _mm512_storeu_si512(out + 32 * i, v[i]);
      }
}

enum store { kCached, kStreamed };

static inline void store_bf16(enum store how, float f[32][32], bf16 *c, long ld) {
  for (int i = 0; i < 32; i++) {
    __m512i v = (__m512i)_mm512_cvtne2ps_pbh(_mm512_load_ps(f[i] + 16), _mm512_load_ps(f[i]));
    if (how == kStreamed) _mm512_stream_si512((void *)(c + i * ld), v);
    else _mm512_storeu_si512(c + i * ld, v);
  }
}

// C = A B for packed A and B; `bk` is B's packed extent of k in tiles, of which k are used. A large C is streamed:
// its rows lie a power of two apart, and would push each other out of the cache.
static inline void product(enum store how, int m, int n, int k, int bk, const bf16 *a, const bf16 *b, bf16 *c, long ldc) {
  for (int j = 0; j < n; j += 32)
    for (int i = 0; i < m; i += 32) {
      float f[32][32] __attribute__((aligned(64)));
      block_new(k, a + (long)i * k * 32, b + (long)j * bk * 32, f);
      store_bf16(how, f, c + i * ldc + j, ldc);
    }
}

// C += A B in f32.
static void product_add(int m, int n, int k, const bf16 *a, const bf16 *b, float *c, long ldc) {
  for (int j = 0; j < n; j += 32)
    for (int i = 0; i < m; i += 32) block_add(k, a + (long)i * k * 32, b + (long)j * k * 32, c + i * ldc + j, ldc);
}

void pack_weight(int rows, int cols, int transposed, const bf16 *w, bf16 *out) {
  if (transposed) pack_nk(w, cols, cols, rows, out);  // for x w^T
  else pack_kn(w, cols, rows, cols, out);             // for dy w
}

// y [m, n] = x [m, k] times a packed weight.
void matmul(int m, int n, int k, const bf16 *x, const bf16 *w, bf16 *y) {
  buffers();
  tiles_on();
  for (int i = 0; i < m; i += 256) {
    int rows = m - i < 256 ? m - i : 256;
    pack_rows(x + (long)i * k, k, rows, k, pack_a);
    product(kStreamed, rows, n, k / 32, k / 32, pack_a, w, y + (long)i * n, n);
  }
  tiles_off();
}

static void add_tn(int k, int m, int n, const bf16 *y, long ldy, const bf16 *x, long ldx, float *c, long ldc) {
  for (int p = 0; p < k; p += kSide) {
    int kp = k - p < kSide ? k - p : kSide;
    for (int j = 0; j < n; j += 512) {
      int nj = n - j < 512 ? n - j : 512;
      pack_kn(x + p * ldx + j, ldx, kp, nj, pack_b);
      for (int i = 0; i < m; i += 256) {
        int mi = m - i < 256 ? m - i : 256;
        pack_cols(y + p * ldy + i, ldy, mi, kp, pack_a);
        product_add(mi, nj, kp / 32, pack_a, pack_b, c + i * ldc + j, ldc);
      }
    }
  }
}

// dw [m, n] f32 += y [k, m]^T x [k, n].
void matmul_grad(int k, int m, int n, const bf16 *y, const bf16 *x, float *dw) {
  buffers();
  tiles_on();
  add_tn(k, m, n, y, m, x, n, dw, n);
  tiles_off();
}

void softmax_forward(int rows, int keys, int block, int first, float scale, bf16 *s);
void softmax_backward(int rows, int keys, int block, int first, float scale, const bf16 *p, bf16 *dp);

// Causal attention. q, out [t / blk, heads, rows, 64], k, v [heads, t, 64], where rows = blk * (query heads for each
// KV head); p keeps the probabilities of (head, query block), one after the other.
void attention_forward(int heads, int t, int blk, int rows, float scale, const bf16 *q, const bf16 *k, const bf16 *v,
                       bf16 *p, bf16 *out) {
  buffers();
  tiles_on();
  bf16 *pv = pack_b + (long)t * 64;
  for (int h = 0; h < heads; h++) {
    pack_nk(k + (long)h * t * 64, 64, 64, t, pack_b);
    pack_kn(v + (long)h * t * 64, 64, t, 64, pv);
    for (int i = 0; i < t / blk; i++) {
      int keys = (i + 1) * blk;
      long at = ((long)i * heads + h) * rows * 64;
      pack_rows(q + at, 64, rows, 64, pack_a);
      product(kCached, rows, keys, 2, 2, pack_a, pack_b, p, keys);
      softmax_forward(rows, keys, blk, i * blk, scale, p);
      for (int r = 0; r < rows; r += 128) {
        pack_rows(p + (long)r * keys, keys, 128, keys, pack_a);
        product(kCached, 128, 64, keys / 32, t / 32, pack_a, pv, out + at + r * 64, 64);
      }
      p += (long)rows * keys;
    }
  }
  tiles_off();
}

// dk, dv [heads, t, 64] f32 start at zero; `work` holds rows * t values.
void attention_backward(int heads, int t, int blk, int rows, float scale, const bf16 *q, const bf16 *k, const bf16 *v,
                        const bf16 *p, const bf16 *dout, bf16 *work, bf16 *packs, bf16 *dq, float *dk, float *dv) {
  buffers();
  tiles_on();
  bf16 *pk = packs + (long)t * 64;
  for (int h = 0; h < heads; h++) {
    long own = (long)h * t * 64;
    pack_nk(v + own, 64, 64, t, packs);
    pack_kn(k + own, 64, t, 64, pk);
    for (int i = 0; i < t / blk; i++) {
      int keys = (i + 1) * blk;
      long at = ((long)i * heads + h) * rows * 64;
      add_tn(rows, keys, 64, p, keys, dout + at, 64, dv + own, 64);
      pack_rows(dout + at, 64, rows, 64, pack_a);
      product(kCached, rows, keys, 2, 2, pack_a, packs, work, keys);
      softmax_backward(rows, keys, blk, i * blk, scale, p, work);
      for (int r = 0; r < rows; r += 128) {
        pack_rows(work + (long)r * keys, keys, 128, keys, pack_a);
        product(kCached, 128, 64, keys / 32, t / 32, pack_a, pk, dq + at + r * 64, 64);
      }
      add_tn(rows, keys, 64, work, keys, q + at, 64, dk + own, 64);
      p += (long)rows * keys;
    }
  }
  tiles_off();
}
