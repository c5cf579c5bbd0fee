#include "lexer.h"

#include <cctype>

namespace ptx {
namespace {
bool in_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%' || c == '.'; }
bool digit(char c) { return std::isdigit(static_cast<unsigned char>(c)); }

class Lexer {
   public:
    explicit Lexer(const std::string& text) : text_(text) {}

    std::vector<Token> all() {
        for (skip(); at_ < text_.size(); skip()) {
            tokens_.emplace_back();
            tokens_.back().line = line_;
            tokens_.back().at = at_;
            next(tokens_.back());
        }
        tokens_.emplace_back();
        tokens_.back().line = line_;
        return std::move(tokens_);
    }

   private:
    char here(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }

    void skip() {
        for (; at_ < text_.size(); ++at_) {
            if (here() == '/' && here(1) == '/') {
                while (at_ < text_.size() && here() != '\n') ++at_;
            } else if (here() == '/' && here(1) == '*') {
                for (at_ += 2; at_ < text_.size() && !(here() == '*' && here(1) == '/'); ++at_) line_ += here() == '\n';
                ++at_;
                continue;
            }
            if (here() == '\n') ++line_;
            else if (here() != '\0' && !std::isspace(static_cast<unsigned char>(here()))) return;
        }
    }
    void next(Token& token) {
        size_t start = at_;
        if (here() == '"') {
            for (++at_; at_ < text_.size() && here() != '"'; ++at_) {
            }
            ++at_;
            token.kind = Token::TEXT;
        } else if (digit(here())) {
            number(token);
        } else if (in_name(here())) {
            // Opcodes have words like L2::128B; one colon alone ends a label.
            while (in_name(here()) || (here() == ':' && here(1) == ':')) at_ += here() == ':' ? 2 : 1;
            token.kind = Token::NAME;
        } else {
            ++at_;
            token.kind = Token::SIGN;
        }
        token.text = text_.substr(start, at_ - start);
    }
    void number(Token& token) {
        size_t start = at_;
        while (std::isalnum(static_cast<unsigned char>(here())) || here() == '.') ++at_;
        std::string digits = text_.substr(start, at_ - start);
        token.kind = Token::TEXT;  // 8.0: a version
        if (digits.find('.') != std::string::npos) return;
        token.kind = Token::INTEGER;
        unsigned base = 10;
        size_t first = 0;
        if (digits.size() > 1 && digits[0] == '0') {
            char letter = static_cast<char>(std::tolower(static_cast<unsigned char>(digits[1])));
            if (letter == 'f') token.kind = Token::FLOAT32;
            if (letter == 'd') token.kind = Token::FLOAT64;
            base = letter == 'b' ? 2 : digit(letter) ? 8 : 16;
            if (letter == 'u') base = 10;
            first = digit(letter) || letter == 'u' ? 1 : 2;
        }
        if (base != 16 || token.kind == Token::INTEGER)
            if (digits.size() > 1 && digits.back() == 'U') digits.pop_back();
        for (size_t i = first; i < digits.size(); ++i) {
            char c = static_cast<char>(std::tolower(static_cast<unsigned char>(digits[i])));
            unsigned value = digit(c) ? unsigned(c - '0') : c >= 'a' && c <= 'f' ? unsigned(c - 'a') + 10 : 99;
            if (value >= base) throw Unsupported("line " + std::to_string(line_) + ": the number " + digits);
            token.value = token.value * base + value;
        }
    }

    const std::string& text_;
    size_t at_ = 0;
    u32 line_ = 1;
    std::vector<Token> tokens_;
};
}  // namespace

std::vector<Token> words_of(const std::string& text) { return Lexer(text).all(); }
}  // namespace ptx
