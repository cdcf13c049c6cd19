// The verbs of the command line. Each adds its subcommand to the parser; what a parsed command line stands for is left
// in the Invocation, to be run once parsing is over.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>

#include "cli/protocol.hpp"

namespace starling::cli {

/// What the command line says, for all verbs.
struct Invocation {
    std::string program = "starling";  ///< as it was called
    std::string directory = "./starling";
    bool json = false;
    std::function<int()> run;  ///< returns an exit code
};

/// Adds a subcommand with --dir and --json.
CLI::App& add_verb(CLI::App& app, Invocation& invocation, const std::string& name, const std::string& what);

void add_member_verbs(CLI::App& app, Invocation& invocation);  ///< init, join, invite, revoke, rotate
void add_mesh_verbs(CLI::App& app,
                    Invocation& invocation);                ///< up, stop, peers, status, doctor, wait, fault
void add_map_verbs(CLI::App& app, Invocation& invocation);  ///< put, get, erase, import
void add_type_verbs(CLI::App& app,
                    Invocation& invocation);                     ///< incr, count, add, rm, members, set, show
void add_event_verbs(CLI::App& app, Invocation& invocation);     ///< append, since, replay, changes
void add_look_verbs(CLI::App& app, Invocation& invocation);      ///< watch, keys, explain
void add_store_verbs(CLI::App& app, Invocation& invocation);     ///< backup, restore, check, export
void add_agreed_verbs(CLI::App& app, Invocation& invocation);    ///< voters, lock, elect
void add_decision_verbs(CLI::App& app, Invocation& invocation);  ///< agreed, fenced
void add_queue_verbs(CLI::App& app, Invocation& invocation);     ///< queue
void add_trial_verbs(CLI::App& app, Invocation& invocation);     ///< demo, sim

/// Says why a node refused, from its answer, and returns the exit code for that.
int complain_of(const Json& answer);

/// Sends one request to the node in the directory and prints its answer: with --json the whole of it, else what `print`
/// writes to stdout. Returns an exit code.
int ask(const Invocation& invocation, Json request, const std::function<void(const Json&)>& print);

/// What `ask` may print of an answer: its value for people, or nothing.
void print_value(const Json& answer);
void print_nothing(const Json& answer);
void print_mesh_members(const Json& answer);

/// An answer without its protocol members, as --json prints it.
Json payload_of(Json answer);

}  // namespace starling::cli
