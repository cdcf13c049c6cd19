#include "crdt/ids.hpp"

#include <doctest/doctest.h>

using namespace starling::crdt;

TEST_CASE("the order of replicas is the order of their 40 bytes") {
    ReplicaId a{{1}, 9}, b{{2}, 1};
    CHECK(a < b);
    CHECK(ReplicaId{{1}, 1} < a);
}

TEST_CASE("a version covers every dot up to its seq, and another version that reaches no further") {
    ReplicaId a{{1}, 9}, b{{2}, 1};
    Version version{{a, 3}};
    CHECK(covers(version, Dot{a, 3}));
    CHECK_FALSE(covers(version, Dot{a, 4}));
    CHECK_FALSE(covers(version, Dot{b, 1}));
    CHECK(covers(version, Version{{a, 2}}));
    CHECK_FALSE(covers(version, Version{{a, 2}, {b, 1}}));
}
