// lexer.h: the words of PTX text.
#pragma once
#include <string>
#include <vector>

#include "program.h"

namespace ptx {
struct Token {
    enum Kind : u8 { END, NAME, INTEGER, FLOAT32, FLOAT64, TEXT, SIGN } kind = END;
    std::string text;  // a name has its dots: `ld.global.u32`, `%tid.x`, `.reg`
    u64 value = 0;     // a number's bits
    u32 line = 0;
    size_t at = 0;  // in the text

    bool is(const char* what) const { return (kind == NAME || kind == SIGN) && text == what; }
};

// Ends with an END. Throws Unsupported.
std::vector<Token> words_of(const std::string& text);
}  // namespace ptx
