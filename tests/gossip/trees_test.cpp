// The trees of origin nodes: the table by itself against a naive twin, and what they come to among peers.
#include "gossip/trees.hpp"

#include <random>

#include <doctest/doctest.h>

#include "gossip/wire.hpp"
#include "tests/gossip/fixture.hpp"

using namespace starling;
using namespace starling::gossip;
using namespace starling::testing;

namespace {

/// The same by going through everything: what is known of a pair of links is counted anew at each question.
struct NaiveTrees {
    std::map<std::pair<TreeId, LinkId>, Edge> edges;
    std::map<TreeId, LinkId> parents;
    std::set<LinkId> up;
    Inheritance inheritance;

    bool push(TreeId tree, LinkId out) {
        auto& edge = edges.try_emplace({tree, out}, Edge::unknown).first->second;
        if (edge == Edge::unknown) {
            std::uint32_t eager = 0, lazy = 0;
            for (const auto& [name, other] : edges) {
                const auto in = parents.find(name.first), mine = parents.find(tree);
                if (name.second != out || in == parents.end() || mine == parents.end() || in->second != mine->second)
                    continue;
                eager += other == Edge::eager ? 1 : 0;
                lazy += other == Edge::lazy ? 1 : 0;
            }
            const bool judged = eager + lazy >= inheritance.trees_min;
            edge = !judged || 100 * eager >= inheritance.percent_min * (eager + lazy) ? Edge::tried : Edge::untried;
        }
        return edge == Edge::tried || edge == Edge::eager;
    }
    void down(LinkId slot) {
        up.erase(slot);
        std::erase_if(edges, [&](const auto& e) { return e.first.second == slot; });
        std::erase_if(parents, [&](const auto& p) { return p.second == slot; });
    }
};

std::size_t redundant(Mesh& mesh, std::size_t nodes) {
    std::size_t sum = 0;
    for (std::size_t i = 0; i < nodes; ++i) sum += mesh[i].status().counters.changesets_redundant;
    return sum;
}

/// A ring of so many nodes with one chord: it has loops, and is no full mesh.
void link_loops(Mesh& mesh, std::size_t nodes) {
    for (std::size_t i = 0; i < nodes; ++i) mesh.link(i, (i + 1) % nodes);
    mesh.link(0, nodes / 2);
    mesh.run();
}

}  // namespace

TEST_CASE("trees go and inherit as their naive twin does") {
    std::mt19937_64 random(7);
    for (int story = 0; story < 60; ++story) {
        const Inheritance inheritance{std::uint32_t(random() % 5), std::uint32_t(random() % 80)};
        Trees trees(inheritance);
        NaiveTrees naive{{}, {}, {}, inheritance};
        constexpr TreeId many = 12;
        for (int step = 0; step < 400; ++step) {
            const auto tree = TreeId(random() % many);
            if (naive.up.empty() || (naive.up.size() < 6 && random() % 30 == 0)) {
                const auto slot = trees.up(many, TreeId(0));
                REQUIRE(naive.up.insert(slot).second);
                for (TreeId old = 1; old < many; ++old) naive.edges[{old, slot}] = Edge::untried;
                continue;
            }
            const auto slot = *std::next(naive.up.begin(), std::ptrdiff_t(random() % naive.up.size()));
            switch (random() % 8) {
                case 0:
                    if (random() % 8 != 0) break;
                    trees.down(slot);
                    naive.down(slot);
                    break;
                case 1:
                    trees.came(tree, slot);
                    naive.parents[tree] = slot;
                    break;
                case 2:
                    trees.stop(tree, slot);
                    naive.edges[{tree, slot}] = Edge::lazy;
                    break;
                case 3:
                    trees.graft(tree, slot);
                    naive.edges[{tree, slot}] = Edge::eager;
                    break;
                case 4:
                    trees.held(tree, slot);
                    if (naive.edges[{tree, slot}] == Edge::tried) naive.edges[{tree, slot}] = Edge::eager;
                    break;
                default:
                    REQUIRE(trees.push(tree, slot) == naive.push(tree, slot));
            }
            trees.check();
        }
    }
}

TEST_CASE("a new tree goes where the trees that came the same way went, once there are enough of them") {
    Trees trees({3, 50});
    const auto in = trees.up(0, std::nullopt), liked = trees.up(0, std::nullopt), disliked = trees.up(0, std::nullopt);
    for (TreeId tree = 0; tree < 3; ++tree) {
        trees.came(tree, in);
        CHECK(trees.push(tree, liked));
        CHECK(trees.push(tree, disliked));  // too little is known
        trees.held(tree, liked);
        trees.stop(tree, disliked);
    }
    trees.came(3, in);
    CHECK(trees.push(3, liked));
    CHECK_FALSE(trees.push(3, disliked));
    trees.came(4, liked);  // another way in: nothing is known of it
    CHECK(trees.push(4, disliked));
    trees.graft(3, disliked);
    CHECK(trees.push(3, disliked));
}

TEST_CASE("what rose since a place is told once, oldest rise first") {
    Rises rises;
    std::mt19937_64 random(3);
    std::map<OriginId, std::uint64_t> last;
    for (std::uint64_t place = 1; place < 500; ++place) {
        const auto origin = OriginId(random() % 40);
        rises.rose(origin);
        last[origin] = place;
        CHECK(rises.last() == place);
        const auto from = random() % (place + 1);
        std::map<std::uint64_t, OriginId> since;
        for (const auto& [id, at] : last) {
            if (at > from) since[at] = id;
        }
        std::vector<OriginId> expected;
        for (const auto& [at, id] : since) expected.push_back(id);
        CHECK(rises.since(from) == expected);
        rises.check();
    }
}

TEST_CASE("once warm, a changeset crosses each node's links once, whoever writes") {
    constexpr std::size_t nodes = 7;
    Mesh mesh(nodes);
    link_loops(mesh, nodes);
    for (int round = 0; round < 3; ++round) {
        for (std::size_t i = 0; i < nodes; ++i) {
            (void)mesh.write(i, put("a", round));
            mesh.run(500'000);
        }
    }
    const auto cold = redundant(mesh, nodes);
    CHECK(cold > 0);  // the first ones went everywhere
    for (int round = 0; round < 5; ++round) {
        for (std::size_t i = 0; i < nodes; ++i) {
            (void)mesh.write(i, put("b", round));
            mesh.run(500'000);
        }
    }
    CHECK(mesh.equal());
    CHECK(redundant(mesh, nodes) == cold);
}

TEST_CASE("a node that comes back in another life finds its tree warm") {
    constexpr std::size_t nodes = 6;
    Mesh mesh(nodes);
    link_loops(mesh, nodes);
    for (int round = 0; round < 4; ++round) {
        (void)mesh.write(3, put("a", round));
        mesh.run(500'000);
    }
    mesh.reborn(3);
    mesh.link(2, 3);
    mesh.link(3, 4);
    mesh.link(0, 3);
    mesh.run();
    const auto before = redundant(mesh, nodes);
    (void)mesh.write(3, put("b", 1));
    mesh.run();
    CHECK(mesh.equal());
    CHECK(redundant(mesh, nodes) <= before + 3);  // an own write goes to every new link; nothing else is cold
}

TEST_CASE("a new link carries digests, and pushes only once its peer had to pull") {
    Mesh mesh(4);
    mesh.link(0, 1);
    mesh.link(1, 2);
    mesh.link(2, 3);
    mesh.run();
    for (int i = 0; i < 3; ++i) {
        (void)mesh.write(0, put("a", i));
        mesh.run();
    }
    mesh.link(0, 3);
    mesh.link(1, 3);  // 3 has 0's writes from 2; 1 is not on its tree yet
    mesh.run();
    const auto sent = mesh[1].status().counters.changesets_sent;
    (void)mesh.write(0, put("b", 1));
    mesh.run();
    CHECK(mesh[1].status().counters.changesets_sent == sent + 1);  // to 2 alone
    const auto cold = redundant(mesh, 4);
    mesh.unlink(2, 3);
    mesh.unlink(0, 3);
    for (int i = 0; i < 3; ++i) {
        (void)mesh.write(0, put("c", i));
        mesh.run();
    }
    CHECK(mesh.equal());
    CHECK(mesh[3].status().counters.pulls >= 1);
    CHECK(mesh[1].status().counters.changesets_sent == sent + 1 + 2 * 3);  // one of them was pulled
    CHECK(redundant(mesh, 4) == cold);
}

TEST_CASE("a digest that is lost is noticed at the next one, and a second copy does nothing") {
    Mesh mesh(1);
    REQUIRE(mesh.write(0, put("f", 1)));
    mesh.handle(0, Flush{});
    const NodeKey peer{9};
    mesh.handle(0, LinkUp{peer});
    RefSender refs;
    const ReplicaId id{peer, 5};
    const auto say = [&](const Message& message) {
        mesh.handle(0, Received{peer, encode(0, message, refs)});
        return mesh[0].status().links[0].behind;
    };
    CHECK(say(Hello{3, {{id, 1}}, {}, 0}) == 1);
    CHECK(say(Digest{4, {{id, 2}}, {}, {}}) == 3);
    CHECK(say(Digest{4, {{id, 2}}, {}, {}}) == 3);  // twice
    CHECK(say(Digest{6, {{id, 2}}, {}, {}}) == 3);  // 5 is missing: what is meant is not known
    CHECK(say(Digest{7, {{id, 2}}, {}, {}}) == 3);
    CHECK(say(Hello{8, {{id, 9}}, {}, 0}) == 9);
    CHECK(say(Digest{9, {{id, 1}}, {}, {}}) == 10);
    CHECK(say(Hello{8, {{id, 9}}, {}, 0}) == 10);  // overtaken
    CHECK(say(Digest{10, {{id, 1}}, {}, {}}) == 11);
}
