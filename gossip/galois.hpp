// The finite fields GF(2^m), small enough for tables of logarithms, and the decoding of BCH codes in them: given the
// sums of odd powers of some unknown elements, which elements are they? (Berlekamp, "Algebraic Coding Theory", 1968;
// the roots by his trace algorithm.)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace starling::gossip {

inline constexpr unsigned field_bits_min = 7;
inline constexpr unsigned field_bits_max = 14;

/// GF(2^m). An element is its m bits as a polynomial. Immutable; every operation is O(1).
class Field {
  public:
    using Element = std::uint16_t;

    /// The field of 2^bits elements, made once.
    static const Field& of(unsigned bits);

    unsigned bits() const { return bits_; }
    /// Elements without 0: the powers 0 … order - 1 of the generator.
    unsigned order() const { return order_; }
    /// The generator to the `exponent`, which is below twice the order.
    Element power(unsigned exponent) const { return powers_[exponent]; }
    /// The exponent of an element that is not 0.
    unsigned logarithm(Element a) const { return logarithms_[a]; }
    Element times(Element a, Element b) const {
        return a == 0 || b == 0 ? Element{0} : powers_[unsigned{logarithms_[a]} + logarithms_[b]];
    }
    Element square(Element a) const { return times(a, a); }
    Element inverse(Element a) const { return powers_[order_ - logarithms_[a]]; }

  private:
    explicit Field(unsigned bits);

    unsigned bits_;
    unsigned order_;
    std::vector<Element> powers_;
    std::vector<Element> logarithms_;
};

/// The elements, as exponents of the generator in ascending order, whose sums of the powers 1, 3, 5, … are `sums`: at
/// most as many as there are sums. Nothing where there are none such, as when too many elements made the sums; seldom
/// (about once in sums.size()! cases) others fit in their place. O(t² · m).
std::optional<std::vector<unsigned>> decode(const Field& field, std::span<const Field::Element> sums);

}  // namespace starling::gossip
