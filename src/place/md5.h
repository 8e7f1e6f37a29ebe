/* md5: MD5(target) modulo the number of nodes that are up.
 *
 * Source: the proxy clusters of the 2000s (Kwon, Kwak and Chung 2008 compare it); MD5 is RFC 1321.
 * Cost: one MD5 block per 64 bytes of target, one look-up. Memory: none. When a node of N comes or
 * goes all but 1/N of the targets move: for comparison, not for use. Weights are not regarded.
 * Decides anywhere.
 */
#ifndef BATON_PLACE_MD5_H
#define BATON_PLACE_MD5_H

#include "place/access.h"

struct md5 {
	__u32 state[4];
};

INLINE void md5_start(struct md5 *md5)
{
	md5->state[0] = 0x67452301;
	md5->state[1] = 0xefcdab89;
	md5->state[2] = 0x98badcfe;
	md5->state[3] = 0x10325476;
}

/* One operation of RFC 1321, 3.4. */
#define MD5_STEP(mix, a, b, c, d, word, constant, bits)                                            \
	do {                                                                                       \
		a += (mix) + (word) + constant;                                                    \
		a = (a << bits | a >> (32 - bits)) + b;                                            \
	} while (0)
#define MD5_F(x, y, z) ((z) ^ ((x) & ((y) ^ (z))))
#define MD5_G(x, y, z) ((y) ^ ((z) & ((x) ^ (y))))
#define MD5_H(x, y, z) ((x) ^ (y) ^ (z))
#define MD5_I(x, y, z) ((y) ^ ((x) | ~(z)))

/* Four operations with four words, constants and shifts. */
#define MD5_FOUR(mix, w0, w1, w2, w3, k0, k1, k2, k3, s0, s1, s2, s3)                              \
	MD5_STEP(mix(b, c, d), a, b, c, d, w0, k0, s0);                                            \
	MD5_STEP(mix(a, b, c), d, a, b, c, w1, k1, s1);                                            \
	MD5_STEP(mix(d, a, b), c, d, a, b, w2, k2, s2);                                            \
	MD5_STEP(mix(c, d, a), b, c, d, a, w3, k3, s3)

/* Goes on with 16 little-endian words. Returns 0. */
SUBPROGRAM int md5_block(struct md5 *md5, const __u32 (*block)[16])
{
	const __u32 *w;
	__u32 a, b, c, d;

	if (!md5 || !block)
		return 0;
	w = *block;
	a = md5->state[0];
	b = md5->state[1];
	c = md5->state[2];
	d = md5->state[3];
	MD5_FOUR(MD5_F, w[0], w[1], w[2], w[3], 0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 7,
		 12, 17, 22);
	MD5_FOUR(MD5_F, w[4], w[5], w[6], w[7], 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501, 7,
		 12, 17, 22);
	MD5_FOUR(MD5_F, w[8], w[9], w[10], w[11], 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 7,
		 12, 17, 22);
	MD5_FOUR(MD5_F, w[12], w[13], w[14], w[15], 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
		 7, 12, 17, 22);
	MD5_FOUR(MD5_G, w[1], w[6], w[11], w[0], 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 5,
		 9, 14, 20);
	MD5_FOUR(MD5_G, w[5], w[10], w[15], w[4], 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8, 5,
		 9, 14, 20);
	MD5_FOUR(MD5_G, w[9], w[14], w[3], w[8], 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 5,
		 9, 14, 20);
	MD5_FOUR(MD5_G, w[13], w[2], w[7], w[12], 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a, 5,
		 9, 14, 20);
	MD5_FOUR(MD5_H, w[5], w[8], w[11], w[14], 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 4,
		 11, 16, 23);
	MD5_FOUR(MD5_H, w[1], w[4], w[7], w[10], 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70, 4,
		 11, 16, 23);
	MD5_FOUR(MD5_H, w[13], w[0], w[3], w[6], 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 4,
		 11, 16, 23);
	MD5_FOUR(MD5_H, w[9], w[12], w[15], w[2], 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665, 4,
		 11, 16, 23);
	MD5_FOUR(MD5_I, w[0], w[7], w[14], w[5], 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 6,
		 10, 15, 21);
	MD5_FOUR(MD5_I, w[12], w[3], w[10], w[1], 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1, 6,
		 10, 15, 21);
	MD5_FOUR(MD5_I, w[8], w[15], w[6], w[13], 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 6,
		 10, 15, 21);
	MD5_FOUR(MD5_I, w[4], w[11], w[2], w[9], 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391, 6,
		 10, 15, 21);
	md5->state[0] += a;
	md5->state[1] += b;
	md5->state[2] += c;
	md5->state[3] += d;
	return 0;
}

/* What a query carries: the digest's last four bytes, big-endian. */
INLINE __u32 md5_low(const struct md5 *md5)
{
	return __builtin_bswap32(md5->state[3]);
}

SUBPROGRAM __s32 place_md5(struct place_query *query)
{
	const struct place_pool *pool;

	if (!query)
		return -22;
	pool = place_pool_at(query->pool);
	if (!pool || !pool->up)
		return -2;
	return place_node_of(pool, query->md5 % pool->up);
}

#endif
