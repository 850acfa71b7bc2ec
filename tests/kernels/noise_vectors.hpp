// Known answers for noise.hpp, written by scripts/make_noise_vectors.py (do not edit).
#pragma once

#include <cstdint>

namespace causeway::testing {

struct KeyVector {
  std::uint64_t seed, sample;
  std::uint32_t purpose, chunk, step;
  std::uint64_t key;
};
inline constexpr KeyVector key_vectors[] = {
    {0ull, 0ull, 0u, 0u, 0u, 0xcb568756260681ceull},
    {42ull, 7ull, 1u, 3u, 2u, 0x54c4a41ef5581542ull},
    {18446744073709551615ull, 1099511627781ull, 2u, 4294967295u, 2147483648u, 0x49d8108a80b2d3f0ull},
    {1ull, 4294967296ull, 0u, 6u, 0u, 0xf685d0852830e0eeull},
};

/// The float32 bits of the quantile at (word + 1/2)/2^32.
struct QuantileVector {
  std::uint32_t word, bits;
};
inline constexpr QuantileVector quantile_vectors[] = {
    {0u, 0xc0cad08du},
    {1u, 0xc0c55364u},
    {2u, 0xc0c2b92du},
    {3u, 0xc0c0fdafu},
    {4u, 0xc0bfaff2u},
    {10u, 0xc0bb3a81u},
    {99u, 0xc0aedff1u},
    {1000u, 0xc0a14676u},
    {65535u, 0xc0856d20u},
    {65536u, 0xc0856d19u},
    {1048576u, 0xc05f2cb6u},
    {16777217u, 0xc02a3e8bu},
    {268435456u, 0xbfc45e10u},
    {322122546u, 0xbfb84291u},
    {322122547u, 0xbfb84291u},
    {322122548u, 0xbfb84291u},
    {1073741824u, 0xbf2cab5cu},
    {2147483646u, 0xb070a2e5u},
    {2147483647u, 0xafa06c99u},
    {2147483648u, 0x2fa06c99u},
    {2147483649u, 0x3070a2e5u},
    {3221225472u, 0x3f2cab5cu},
    {3972844748u, 0x3fb84291u},
    {3972844749u, 0x3fb84291u},
    {4293918720u, 0x405f2cb7u},
    {4294901760u, 0x40856d20u},
    {4294966296u, 0x40a14807u},
    {4294967285u, 0x40bb3a81u},
    {4294967293u, 0x40c2b92du},
    {4294967294u, 0x40c55364u},
    {4294967295u, 0x40cad08du},
};

/// The float32 bits of one element's number.
struct NormalVector {
  std::uint64_t key, element;
  std::uint32_t bits;
};
inline constexpr NormalVector normal_vectors[] = {
    {0xcb568756260681ceull, 0ull, 0x3fe594e4u},
    {0xcb568756260681ceull, 1ull, 0x3e4c0609u},
    {0xcb568756260681ceull, 2ull, 0x3f3f6bf2u},
    {0xcb568756260681ceull, 3ull, 0xbf3b0ec6u},
    {0xcb568756260681ceull, 4ull, 0x3fc238a0u},
    {0xcb568756260681ceull, 5ull, 0xbeabbbadu},
    {0xcb568756260681ceull, 1001ull, 0xbe424e35u},
    {0xcb568756260681ceull, 299519ull, 0xbebdb282u},
    {0xcb568756260681ceull, 17179869186ull, 0xbe237dd8u},
    {0xcb568756260681ceull, 1099511627783ull, 0x3d16a786u},
    {0x54c4a41ef5581542ull, 0ull, 0x3ea6bdf4u},
    {0x54c4a41ef5581542ull, 1ull, 0xc0063cddu},
    {0x54c4a41ef5581542ull, 2ull, 0x3f8d5b62u},
    {0x54c4a41ef5581542ull, 3ull, 0x3f25f4dau},
    {0x54c4a41ef5581542ull, 4ull, 0x3eda75d9u},
    {0x54c4a41ef5581542ull, 5ull, 0x401305f6u},
    {0x54c4a41ef5581542ull, 1001ull, 0xbf055be1u},
    {0x54c4a41ef5581542ull, 299519ull, 0x3fb2d7ccu},
    {0x54c4a41ef5581542ull, 17179869186ull, 0xbf8220adu},
    {0x54c4a41ef5581542ull, 1099511627783ull, 0x3f866608u},
    {0x49d8108a80b2d3f0ull, 0ull, 0xbf99d37bu},
    {0x49d8108a80b2d3f0ull, 1ull, 0x3e72eb0bu},
    {0x49d8108a80b2d3f0ull, 2ull, 0x3e953449u},
    {0x49d8108a80b2d3f0ull, 3ull, 0xbe879a6bu},
    {0x49d8108a80b2d3f0ull, 4ull, 0xbf4c4fa9u},
    {0x49d8108a80b2d3f0ull, 5ull, 0x3d3c9df0u},
    {0x49d8108a80b2d3f0ull, 1001ull, 0x3efa9fb5u},
    {0x49d8108a80b2d3f0ull, 299519ull, 0xbfeb0301u},
    {0x49d8108a80b2d3f0ull, 17179869186ull, 0x3f217b36u},
    {0x49d8108a80b2d3f0ull, 1099511627783ull, 0xbfa93ca6u},
    {0xf685d0852830e0eeull, 0ull, 0x3f9bae53u},
    {0xf685d0852830e0eeull, 1ull, 0xbf0ab475u},
    {0xf685d0852830e0eeull, 2ull, 0x3e7c7c3du},
    {0xf685d0852830e0eeull, 3ull, 0xbc7c4d71u},
    {0xf685d0852830e0eeull, 4ull, 0x3f11d6c9u},
    {0xf685d0852830e0eeull, 5ull, 0xbf801bebu},
    {0xf685d0852830e0eeull, 1001ull, 0x3f1f8dc2u},
    {0xf685d0852830e0eeull, 299519ull, 0xbf8f161eu},
    {0xf685d0852830e0eeull, 17179869186ull, 0xbd824db9u},
    {0xf685d0852830e0eeull, 1099511627783ull, 0x3ee94818u},
};

}  // namespace causeway::testing
