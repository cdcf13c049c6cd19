// A text as a QR code, for a terminal and the camera in front of it.
#pragma once

#include <optional>
#include <string>

namespace starling::cli {

/// Lines of half-height blocks, black on white whatever the terminal's colours are. Nothing where the text is too long
/// for a QR code (2,953 bytes).
std::optional<std::string> qr_of(const std::string& text);

}  // namespace starling::cli
