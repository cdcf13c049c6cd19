// A reference for the suite `reconcile`: the rateless IBLT of Yang, Gilad and Alizadeh ("Practical Rateless Set
// Reconciliation", SIGCOMM 2024), with symbols of 8 bytes and hashes of 8. It reconciles any sets of symbols; that dots
// lie on a common axis is nothing that it can use.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace starling::bench {

inline std::uint64_t iblt_mixed(std::uint64_t x) {
    x = (x ^ x >> 33) * 0xff51'afd7'ed55'8ccdULL;
    x = (x ^ x >> 33) * 0xc4ce'b9fe'1a85'ec53ULL;
    return x ^ x >> 33;
}

/// The coded symbols that a symbol is part of: number i with probability 1 / (1 + i/2).
class IbltMapping {
  public:
    explicit IbltMapping(std::uint64_t symbol) : state_(iblt_mixed(symbol ^ 0x1b17)) {}
    std::size_t next() {
        if (begun_) {
            state_ = state_ * 6'364'136'223'846'793'005ULL + 1'442'695'040'888'963'407ULL;
            const double r = double(iblt_mixed(state_) >> 11) * 0x1p-53;
            at_ += std::size_t(std::ceil((double(at_) + 1.5) * (1 / std::sqrt(1 - r) - 1)));
        }
        begun_ = true;
        return at_;
    }

  private:
    std::uint64_t state_;
    std::size_t at_ = 0;
    bool begun_ = false;
};

class Iblt {
  public:
    static constexpr std::size_t coded_bytes = 16;

    explicit Iblt(std::size_t many) : coded_(many) {}
    void flip(std::uint64_t symbol) {
        const auto hash = iblt_mixed(symbol);
        IbltMapping mapping(symbol);
        for (auto at = mapping.next(); at < coded_.size(); at = mapping.next()) {
            coded_[at].sum ^= symbol;
            coded_[at].hash ^= hash;
        }
    }
    /// Of the difference of two: can all of its symbols be peeled off?
    bool peels() {
        std::vector<std::size_t> pure;
        for (std::size_t at = 0; at < coded_.size(); ++at) pure.push_back(at);
        while (!pure.empty()) {
            const auto coded = coded_[pure.back()];
            pure.pop_back();
            if (coded.sum == 0 || coded.hash != iblt_mixed(coded.sum)) continue;
            flip(coded.sum);
            IbltMapping mapping(coded.sum);
            for (auto at = mapping.next(); at < coded_.size(); at = mapping.next()) pure.push_back(at);
        }
        return coded_[0].sum == 0 && coded_[0].hash == 0;
    }

  private:
    struct Coded {
        std::uint64_t sum = 0;
        std::uint64_t hash = 0;
    };
    std::vector<Coded> coded_;
};

/// How many coded symbols have to be sent until the difference can be read.
inline std::size_t iblt_coded_needed(const std::vector<std::uint64_t>& differing) {
    for (auto many = std::max<std::size_t>(1, differing.size()); true; many += 1 + many / 50) {
        Iblt iblt(many);
        for (const auto symbol : differing) iblt.flip(symbol);
        if (iblt.peels()) return many;
    }
}

}  // namespace starling::bench
