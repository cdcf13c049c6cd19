// Three etcd members on loopback, and a client that speaks to them over HTTP/1.1 with the JSON gateway, one connection
// kept open: what coordination costs elsewhere, durable on both sides. JSON and HTTP are part of its times.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include <nlohmann/json.hpp>

namespace starling::bench {

/// One connection. Thread rule: one thread at a time.
class EtcdClient {
  public:
    /// Where an answer does not come `within`, `try_put` is false from then on; 0: it waits.
    explicit EtcdClient(std::uint16_t port, std::chrono::milliseconds within = std::chrono::milliseconds(0));
    ~EtcdClient();
    EtcdClient(const EtcdClient&) = delete;
    EtcdClient& operator=(const EtcdClient&) = delete;

    void put(const std::string& key, const std::string& value);
    /// False: it was refused, or nobody knows what became of it.
    bool try_put(const std::string& key, const std::string& value);
    /// A linearizable read.
    std::optional<std::string> get(const std::string& key);
    std::string grant(int ttl_s);
    /// Whether the member that this is connected to leads.
    bool leads();
    /// Waits for the lock; what `unlock` is told.
    std::string lock(const std::string& name, const std::string& lease);
    void unlock(const std::string& key);

  private:
    /// Nothing where it is not done.
    std::optional<nlohmann::json> try_post(const std::string& path, const nlohmann::json& body);
    nlohmann::json post(const std::string& path, const nlohmann::json& body);
    bool read_more();
    std::string read_until(std::string_view end);
    std::string read_bytes(std::size_t count);

    int socket_;
    std::chrono::milliseconds within_;
    bool silent_ = false;  ///< an answer did not come
    std::string read_;     ///< and not used yet
};

/// Three members with directories below one that is made for them; ended and removed with it.
class EtcdCluster {
  public:
    /// Nothing where no `etcd` is installed. Waits until it serves.
    static std::unique_ptr<EtcdCluster> start(const std::string& directory);
    ~EtcdCluster();
    EtcdCluster(const EtcdCluster&) = delete;
    EtcdCluster& operator=(const EtcdCluster&) = delete;

    /// SIGKILL to a member.
    void kill(std::size_t member);

    std::uint16_t port(std::size_t member) const { return ports_[member % ports_.size()]; }

  private:
    EtcdCluster() = default;

    std::vector<std::uint16_t> ports_;
    std::vector<pid_t> processes_;
};

}  // namespace starling::bench
