#include "node/convert.hpp"

namespace starling::detail {

Version to_public(const crdt::Version& version) {
    Version::Lines lines;
    for (const auto& [replica, seq] : version) lines.emplace_hint(lines.end(), to_public(replica), seq);
    return Version(std::move(lines));
}

crdt::Version to_inner(const Version& version) {
    crdt::Version inner;
    for (const auto& [replica, seq] : version.lines())
        inner.emplace_hint(inner.end(), crdt::ReplicaId{replica.node.bytes, replica.life}, seq);
    return inner;
}

Error error_of(const crdt::Fault& fault) {
    switch (fault.code) {
        case crdt::FaultCode::too_large:
            return {Errc::too_large, fault.what};
        case crdt::FaultCode::refused:
            return {Errc::reserved_key, fault.what};
        default:
            return {Errc::invalid_argument, fault.what};
    }
}

Error error_of(const store::StoreFault& fault) {
    using Code = store::StoreFaultCode;
    switch (fault.code) {
        case Code::in_use:
            return {Errc::dir_in_use, fault.what};
        case Code::exists:
            return {Errc::file_exists, fault.what};
        case Code::full:
        case Code::out_of_memory:
            return {Errc::disk_full, fault.what};
        case Code::read_only:
            return {Errc::dir_unusable, fault.what};
        case Code::corrupt:
            return {Errc::store_damaged, fault.what};
        case Code::newer_format:
            return {Errc::store_newer, fault.what};
        case Code::io:
        case Code::failed:
            break;
    }
    return {Errc::disk_failed, fault.what};
}

Value to_value(crdt::BytesView item) {
    return Value::decode(item).value_or(Value());
}

}  // namespace starling::detail
