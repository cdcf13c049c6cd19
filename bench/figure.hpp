// One measured figure, printed as one line of JSON: the common language of all bench suites, scripts/bench and its
// report.
#pragma once

#include <iostream>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace starling::bench {

/// What a figure is held to: its value, or its ratio to the baseline, is at least or at most `limit`.
struct Target {
    enum class Of { value, ratio } of;
    enum class Is { at_least, at_most } is;
    double limit;
};

/// What the same run measured of somebody else's way to do the same.
struct Baseline {
    std::string name;
    double value;
};

struct Figure {
    std::string suite;    ///< "core"
    std::string subject;  ///< printed as "case": "map put new, sequential keys"
    std::string metric;   ///< "rate"
    double value = 0;     ///< the median where there are several runs; their spread goes to params
    std::string unit;     ///< "M/s", "B", "ms"
    std::optional<Baseline> baseline;
    std::optional<Target> target;
    nlohmann::json params = nlohmann::json::object();  ///< sizes, "runs", "least", "most", notes
};

inline nlohmann::json to_line(const Figure& figure) {
    nlohmann::json line = {{"suite", figure.suite}, {"case", figure.subject}, {"metric", figure.metric},
                           {"value", figure.value}, {"unit", figure.unit},    {"params", figure.params}};
    if (figure.params.is_null()) line["params"] = nlohmann::json::object();
    double ratio = 0;
    if (figure.baseline) {
        ratio = figure.baseline->value == 0 ? 0 : figure.value / figure.baseline->value;
        line["baseline"] = figure.baseline->name;
        line["baseline_value"] = figure.baseline->value;
        line["ratio"] = ratio;
    }
    if (figure.target) {
        const bool at_least = figure.target->is == Target::Is::at_least;
        const bool of_value = figure.target->of == Target::Of::value;
        const double held = of_value ? figure.value : ratio;
        line["target"] = {
            {"of", of_value ? "value" : "ratio"}, {"is", at_least ? ">=" : "<="}, {"limit", figure.target->limit}};
        line["met"] = at_least ? held >= figure.target->limit : held <= figure.target->limit;
    }
    return line;
}

inline void print(const Figure& figure) {
    std::cout << to_line(figure).dump() << std::endl;
}

}  // namespace starling::bench
