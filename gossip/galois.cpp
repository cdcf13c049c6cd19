#include "gossip/galois.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include "crdt/assert.hpp"

namespace starling::gossip {

namespace {

/// Primitive polynomials, the least ones: x^7 + x + 1 and on.
constexpr std::array<std::uint32_t, field_bits_max - field_bits_min + 1> primitive{0x83,  0x11d,  0x211,  0x409,
                                                                                   0x805, 0x1053, 0x201b, 0x402b};

using Element = Field::Element;
/// From the constant term on; the last one is not 0.
using Polynomial = std::vector<Element>;

}  // namespace

Field::Field(unsigned bits) : bits_(bits), order_((1U << bits) - 1), powers_(2 * order_ + 1), logarithms_(order_ + 1) {
    std::uint32_t value = 1;
    for (unsigned exponent = 0; exponent < order_; ++exponent) {
        STARLING_ASSERT(exponent == 0 || value != 1, "the generator generates the field");
        powers_[exponent] = powers_[exponent + order_] = Element(value);
        logarithms_[value] = Element(exponent);
        value <<= 1;
        if ((value >> bits) != 0) value ^= primitive.at(bits - field_bits_min);
    }
    powers_[2 * order_] = 1;
}

const Field& Field::of(unsigned bits) {
    STARLING_ASSERT(bits >= field_bits_min && bits <= field_bits_max, "fields have tables");
    static const auto fields = [] {
        std::array<std::unique_ptr<const Field>, field_bits_max + 1> all;
        for (auto m = field_bits_min; m <= field_bits_max; ++m) all.at(m).reset(new Field(m));
        return all;
    }();
    return *fields.at(bits);
}

// -- decoding
// ------------------------------------------------------------------------------------------------------------

namespace {

void trim(Polynomial& p) {
    while (!p.empty() && p.back() == 0) p.pop_back();
}

/// The shortest recurrence of s1, s2, s3, … (Berlekamp and Massey), where s2k = sk², so that every second step changes
/// nothing. Empty where it is longer than what the sums can tell.
Polynomial locator(const Field& field, std::span<const Element> odd_sums) {
    const auto many = 2 * odd_sums.size();
    std::vector<Element> sums(many + 1);
    for (std::size_t i = 1; i <= many; ++i) sums[i] = i % 2 == 1 ? odd_sums[i / 2] : field.square(sums[i / 2]);
    Polynomial now{1};
    Polynomial before{1};
    std::size_t length = 0;
    std::size_t gap = 1;
    Element scale = 1;
    for (std::size_t step = 1; step <= many; step += 2, gap += 2) {
        Element error = sums[step];
        for (std::size_t i = 1; i < now.size() && i < step; ++i) error ^= field.times(now[i], sums[step - i]);
        if (error == 0) continue;
        const auto factor = field.times(error, field.inverse(scale));
        auto next = now;
        next.resize(std::max(now.size(), before.size() + gap));
        for (std::size_t i = 0; i < before.size(); ++i) next[i + gap] ^= field.times(factor, before[i]);
        if (2 * length < step) {
            length = step - length;
            before = std::move(now);
            scale = error;
            gap = 0;
        }
        now = std::move(next);
    }
    trim(now);
    if (length > odd_sums.size() || now.size() != length + 1) return {};
    return now;
}

/// Polynomials modulo one that is monic.
class Ring {
  public:
    Ring(const Field& field, const Polynomial& modulus) : field_(field), modulus_(modulus) {}

    void reduce(Polynomial& p) const {
        const auto degree = modulus_.size() - 1;
        while (p.size() > degree) {
            const auto lead = p.back();
            p.pop_back();
            if (lead == 0) continue;
            const auto log = field_.logarithm(lead);
            const auto base = p.size() - degree;
            for (std::size_t i = 0; i < degree; ++i) {
                if (modulus_[i] != 0) p[base + i] ^= field_.power(log + field_.logarithm(modulus_[i]));
            }
        }
        trim(p);
    }
    void square(Polynomial& p) const {
        Polynomial result(p.empty() ? 0 : 2 * p.size() - 1);
        for (std::size_t i = 0; i < p.size(); ++i) result[2 * i] = field_.square(p[i]);
        p = std::move(result);
        reduce(p);
    }

  private:
    const Field& field_;
    const Polynomial& modulus_;
};

void make_monic(const Field& field, Polynomial& p) {
    const auto scale = field.inverse(p.back());
    for (auto& coefficient : p) coefficient = field.times(coefficient, scale);
}

Polynomial common_divisor(const Field& field, Polynomial a, Polynomial b) {
    while (!b.empty()) {
        make_monic(field, b);
        Ring(field, b).reduce(a);
        std::swap(a, b);
    }
    make_monic(field, a);
    return a;
}

Polynomial quotient(const Field& field, Polynomial a, const Polynomial& monic) {
    const auto degree = monic.size() - 1;
    Polynomial result(a.size() - degree);
    for (auto place = result.size(); place > 0; --place) {
        const auto lead = a[place - 1 + degree];
        result[place - 1] = lead;
        for (std::size_t i = 0; i <= degree; ++i) a[place - 1 + i] ^= field.times(lead, monic[i]);
    }
    return result;
}

/// x^(2^m) = x modulo p, which is to say that p is the product of different (x - r).
bool splits(const Field& field, const Polynomial& p) {
    const Ring ring(field, p);
    Polynomial x{0, 1};
    ring.reduce(x);
    auto power = x;
    for (unsigned i = 0; i < field.bits(); ++i) ring.square(power);
    return power == x;
}

/// The roots of a monic p that splits. The trace of b·x is 0 at half of the field and 1 at the other half, and for any
/// two roots some b of a basis tells them apart.
void find_roots(const Field& field, const Polynomial& p, unsigned basis, std::vector<unsigned>& logarithms) {
    if (p.size() == 1) return;
    if (p.size() == 2) {
        logarithms.push_back(field.logarithm(p[0]));
        return;
    }
    const Ring ring(field, p);
    for (; basis < field.bits(); ++basis) {
        Polynomial term{0, field.power(basis)};
        ring.reduce(term);
        auto trace = term;
        for (unsigned i = 1; i < field.bits(); ++i) {
            ring.square(term);
            trace.resize(std::max(trace.size(), term.size()));
            for (std::size_t j = 0; j < term.size(); ++j) trace[j] ^= term[j];
        }
        trim(trace);
        if (trace.empty()) continue;
        const auto part = common_divisor(field, p, trace);
        if (part.size() == 1 || part.size() == p.size()) continue;
        find_roots(field, part, basis + 1, logarithms);
        find_roots(field, quotient(field, p, part), basis + 1, logarithms);
        return;
    }
}

}  // namespace

std::optional<std::vector<unsigned>> decode(const Field& field, std::span<const Element> sums) {
    std::vector<unsigned> logarithms;
    if (std::all_of(sums.begin(), sums.end(), [](Element s) { return s == 0; })) return logarithms;
    auto p = locator(field, sums);
    if (p.size() < 2) return std::nullopt;
    std::reverse(p.begin(), p.end());  // the locator's roots are the inverses of the elements
    make_monic(field, p);
    if (p[0] == 0 || (p.size() > 2 && !splits(field, p))) return std::nullopt;
    find_roots(field, p, 0, logarithms);
    if (logarithms.size() + 1 != p.size()) return std::nullopt;
    std::sort(logarithms.begin(), logarithms.end());
    return logarithms;
}

}  // namespace starling::gossip
