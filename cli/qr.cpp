#include "cli/qr.hpp"

#include <memory>
#include <qrencode.h>

namespace starling::cli {
namespace {

constexpr int quiet_modules = 4;  // around the code, as its standard asks for (ISO/IEC 18004)
constexpr const char* white_on_black = "\x1b[40;97m";
constexpr const char* colours_end = "\x1b[0m";

/// Two modules, one above the other. Light ones are drawn, dark ones are the background.
const char* block_of(bool upper_dark, bool lower_dark) {
    if (upper_dark) return lower_dark ? " " : "▄";
    return lower_dark ? "▀" : "█";
}

}  // namespace

std::optional<std::string> qr_of(const std::string& text) {
    const std::unique_ptr<QRcode, decltype(&QRcode_free)> code(
        QRcode_encodeString(text.c_str(), 0, QR_ECLEVEL_L, QR_MODE_8, 1), &QRcode_free);
    if (!code) return std::nullopt;
    const auto dark = [&](int x, int y) {
        const bool inside = x >= 0 && y >= 0 && x < code->width && y < code->width;
        return inside && (code->data[y * code->width + x] & 1) != 0;
    };
    std::string lines;
    for (int y = -quiet_modules; y < code->width + quiet_modules; y += 2) {
        lines += white_on_black;
        for (int x = -quiet_modules; x < code->width + quiet_modules; ++x)
            lines += block_of(dark(x, y), dark(x, y + 1));
        lines += colours_end;
        lines += '\n';
    }
    return lines;
}

}  // namespace starling::cli
