#include "store/statements.hpp"

#include <string_view>
#include <utility>

namespace starling::store {

using namespace crdt;

Outcome<bool> Store::Statements::prepare(Database& database) {
    const std::pair<Statement*, std::string_view> all[] = {
        {&begin, "BEGIN IMMEDIATE"},
        {&commit, "COMMIT"},
        {&erase_entry, "DELETE FROM entry WHERE origin = ? AND seq = ?"},
        {&insert_entry, "INSERT OR REPLACE INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)"},
        {&insert_log, "INSERT OR REPLACE INTO log (place, at, changeset, mark, seal) VALUES (?, ?, ?, ?, ?)"},
        {&trim_log, "DELETE FROM log WHERE place <= ?"},
        {&put_chunk, "INSERT OR REPLACE INTO life VALUES (?, ?, ?)"},
        {&put_item, "INSERT OR REPLACE INTO item VALUES (?, ?, ?)"},
        {&erase_item, "DELETE FROM item WHERE room = ? AND key = ?"},
        {&items_of, "SELECT key, value FROM item WHERE room = ? ORDER BY key"},
        {&chunks, "SELECT chunk, node, lives FROM life ORDER BY chunk"},
        {&entries, "SELECT origin, seq, type, stamp, depth, key, field, value FROM entry ORDER BY origin, seq"},
        {&log, "SELECT place, at, changeset, mark, seal FROM log ORDER BY place"},
    };
    for (const auto& [statement, sql] : all) {
        auto prepared = database.prepare(sql);
        if (!prepared) return prepared.fault();
        *statement = std::move(*prepared);
    }
    return true;
}

Outcome<bool> Store::Statements::put_entry(const EntryRow& row) {
    const auto& [slot, stamp, depth, value] = row.entry;
    return insert_entry.bind(0, std::int64_t(row.origin))
        .bind(1, std::int64_t(row.seq))
        .bind(2, std::int64_t(slot.type))
        .bind(3, std::int64_t(stamp))
        .bind(4, std::int64_t(depth))
        .bind(5, slot.key)
        .bind(6, slot.field)
        .bind(7, value)
        .run();
}

Outcome<bool> Store::Statements::put_log(const LogRow& row, const std::optional<Mark>& mark) {
    const auto bytes = with_sum(encode_changeset(*row.changeset));
    const auto marked = mark ? encode_mark(*mark) : Bytes();
    insert_log.bind(0, std::int64_t(row.place)).bind(1, std::int64_t(row.at_us)).bind(2, bytes);
    mark ? insert_log.bind(3, marked) : insert_log.bind_nothing(3);
    const auto seal = row.seal.empty() ? Bytes() : with_sum(row.seal);
    row.seal.empty() ? insert_log.bind_nothing(4) : insert_log.bind(4, seal);
    return insert_log.run();
}

Outcome<bool> Store::Statements::put(const Item& item) {
    if (!item.value) return erase_item.bind(0, std::int64_t(item.room)).bind(1, item.key).run();
    return put_item.bind(0, std::int64_t(item.room)).bind(1, item.key).bind(2, *item.value).run();
}

}  // namespace starling::store
