// parse.cpp: the module: directives, variables, kernels, names. What an instruction's opcode says is decode.cpp's.
#include <algorithm>
#include <cstring>
#include <new>

#include "lexer.h"

namespace ptx {
namespace {
u64 round_up(u64 value, u64 to) { return (value + to - 1) / to * to; }

const std::map<std::string, Special>& specials() {
    static const std::map<std::string, Special> all = {
        {"%tid.x", Special::TID_X}, {"%tid.y", Special::TID_Y}, {"%tid.z", Special::TID_Z},
        {"%ntid.x", Special::NTID_X}, {"%ntid.y", Special::NTID_Y}, {"%ntid.z", Special::NTID_Z},
        {"%ctaid.x", Special::CTAID_X}, {"%ctaid.y", Special::CTAID_Y}, {"%ctaid.z", Special::CTAID_Z},
        {"%nctaid.x", Special::NCTAID_X}, {"%nctaid.y", Special::NCTAID_Y}, {"%nctaid.z", Special::NCTAID_Z},
        {"%laneid", Special::LANEID}, {"%warpid", Special::WARPID}, {"%nwarpid", Special::NWARPID},
        {"%smid", Special::SMID}, {"%nsmid", Special::NSMID},
        {"%globaltimer", Special::GLOBALTIMER}, {"%globaltimer_lo", Special::GLOBALTIMER_LO},
        {"%globaltimer_hi", Special::GLOBALTIMER_HI},
        {"%clock", Special::CLOCK}, {"%clock_hi", Special::CLOCK_HI}, {"%clock64", Special::CLOCK64},
        {"%lanemask_eq", Special::LANEMASK_EQ}, {"%lanemask_le", Special::LANEMASK_LE},
        {"%lanemask_lt", Special::LANEMASK_LT}, {"%lanemask_ge", Special::LANEMASK_GE},
        {"%lanemask_gt", Special::LANEMASK_GT},
    };
    return all;
}

// `.b32`, `.pred`: bits; 0 if it is no type.
unsigned bits_of(const std::string& word) {
    if (word == ".pred") return 1;
    if (word.size() < 3 || word[0] != '.' || std::strchr("busf", word[1]) == nullptr) return 0;
    std::string bits = word.substr(2);
    return bits == "8" ? 8 : bits == "16" ? 16 : bits == "32" ? 32 : bits == "64" ? 64 : 0;
}
}  // namespace

// Names of one pair of braces. `%r<9>` declares %r0 to %r8.
struct Braces {
    struct Range {
        u32 first = 0, count = 0;
    };
    std::map<std::string, Operand> names;
    std::map<std::string, Range> ranges;
    std::map<std::string, u32> labels;
};

class Parser {
   public:
    Parser(const std::string& text, Program& into) : text_(text), tokens_(words_of(text)), into_(into) {}

    void module() {
        while (here().kind != Token::END) {
            std::string word = here().text;
            if (word == ".version" || word == ".target" || word == ".address_size") line_of(word);
            else if (word == ".file") skip_line();
            else declaration();
        }
        for (const Initial& initial : initials_) write(initial);
    }

   private:
    // The address of a variable, in another's initialiser: known when all are declared.
    struct Initial {
        u64 at;
        std::string name;
        u64 offset;
        unsigned bytes;
        u32 line;
    };
    struct Branch {
        size_t instruction;
        std::string label;
        std::vector<size_t> scopes;
    };
    struct Declared {
        unsigned bits = 0;
        u64 elements = 1, align = 1;
        std::string name;
        bool open = false;  // []: as many as the initialiser or the launch has
        u64 bytes() const { return elements * std::max(bits / 8u, 1u); }
    };

    const Token& here(size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
    Token take() {
        Token token = here();
        ++at_;
        return token;
    }
    bool take(const char* sign) {
        if (!here().is(sign)) return false;
        ++at_;
        return true;
    }
    void need(const char* sign) {
        if (!take(sign)) fail(std::string("`") + here().text + "` where `" + sign + "` should be");
    }
    [[noreturn]] void fail(const std::string& what) const {
        throw Unsupported("line " + std::to_string(here().line) + ": " + what);
    }
    u64 integer() {
        bool negative = take("-");
        if (here().kind != Token::INTEGER) fail("`" + here().text + "` where a number should be");
        u64 value = take().value;
        return negative ? 0 - value : value;
    }
    void skip_line() {
        for (u32 line = here().line; here().kind != Token::END && here().line == line;) ++at_;
    }
    void line_of(const std::string& word) {
        if (word == ".address_size" && here(1).value != 64) fail("addresses of other than 64 bits");
        skip_line();
    }

    // ---- module scope ----

    void declaration() {
        bool external = false;
        while (here().is(".visible") || here().is(".extern") || here().is(".weak") || here().is(".common"))
            external |= take().text == ".extern";
        if (take(".entry")) return entry();
        if (take(".func")) return skip_function();
        std::string space = take().text;
        if (space == ".shared") return shared_variable(external, module_shared_, module_names_);
        if (space != ".global" && space != ".const") fail("the directive " + space);
        if (external) fail("a variable of another module");
        variable(space == ".const" ? Space::CONST : Space::GLOBAL);
    }
    // A call of one is refused; without a call it does not matter.
    void skip_function() {
        while (!here().is(";") && !here().is("{") && here().kind != Token::END) ++at_;
        if (take(";")) return;
        for (int depth = 0; here().kind != Token::END;) {
            depth += here().is("{") ? 1 : here().is("}") ? -1 : 0;
            ++at_;
            if (depth == 0) return;
        }
    }
    Declared declared() {
        Declared d;
        for (;;) {
            if (take(".align")) {
                d.align = integer();
            } else if (unsigned bits = bits_of(here().text)) {
                d.bits = bits;
                ++at_;
                break;
            } else {
                fail("`" + here().text + "` in a declaration");
            }
        }
        d.align = std::max<u64>(d.align, std::max(d.bits / 8u, 1u));
        d.name = take().text;
        while (take("[")) {
            if (here().is("]")) d.open = true;
            else d.elements *= integer();
            need("]");
        }
        return d;
    }
    void variable(Space space) {
        Declared d = declared();
        if (d.open) fail("a variable of unknown size");
        u64 bytes = round_up(std::max<u64>(d.bytes(), 1), 16);
        auto align = std::align_val_t(std::max<u64>(d.align, 16));
        // What was allocated with an alignment is freed with one; all use the largest that CUDA knows.
        if (std::size_t(align) > 256) fail("an alignment above 256 bytes");
        u8* storage = static_cast<u8*>(::operator new(bytes, std::align_val_t(256)));
        into_.storage_.emplace_back(storage);
        std::memset(storage, 0, bytes);
        Variable v{d.name, space, reinterpret_cast<u64>(storage), d.bytes()};
        if (take("=")) {
            u64 at = v.address;
            initialiser(at, v.address + v.bytes, std::max(d.bits / 8u, 1u));
        }
        need(";");
        Operand& name = module_names_[d.name];
        name.kind = Operand::VALUE;
        name.value = v.address;
        into_.variables.push_back(v);
    }
    void initialiser(u64& at, u64 end, unsigned bytes) {
        if (take("{")) {
            while (!take("}")) {
                initialiser(at, end, bytes);
                if (!take(",") && !here().is("}")) fail("`" + here().text + "` in an initialiser");
            }
            return;
        }
        if (at + bytes > end) fail("an initialiser that is longer than its variable");
        if (here().kind == Token::NAME) {
            bool generic = take("generic");
            if (generic) need("(");
            Initial initial{at, take().text, 0, bytes, here().line};
            if (generic) need(")");
            if (take("+")) initial.offset = integer();
            initials_.push_back(initial);
        } else {
            u64 value = here().kind == Token::FLOAT32 || here().kind == Token::FLOAT64 ? take().value : integer();
            std::memcpy(reinterpret_cast<void*>(at), &value, bytes);
        }
        at += bytes;
    }
    void write(const Initial& initial) {
        auto found = module_names_.find(initial.name);
        if (found == module_names_.end()) throw Unsupported("line " + std::to_string(initial.line) + ": the name " + initial.name);
        u64 value = found->second.value + initial.offset;
        std::memcpy(reinterpret_cast<void*>(initial.at), &value, initial.bytes);
    }
    // Of a kernel, or of the module: then each kernel has it, before its own.
    void shared_variable(bool external, u32& bytes, std::map<std::string, Operand>& names) {
        Declared d = declared();
        need(";");
        Operand& name = names[d.name];
        if (d.open != external) fail("shared memory of unknown size that is not .extern");
        name.kind = external ? Operand::DYNAMIC_SHARED : Operand::VALUE;
        if (external) return;
        bytes = static_cast<u32>(round_up(bytes, d.align));
        name.value = bytes;
        bytes += static_cast<u32>(d.bytes());
    }

    // ---- a kernel ----

    void entry() {
        std::string name = take().text;
        entry_ = &into_.entries[name];
        *entry_ = Entry();
        entry_->name = name;
        entry_->shared_bytes = module_shared_;
        scopes_.assign(1, Braces());
        open_.assign(1, 0);
        branches_.clear();
        scopes_[0].names = module_names_;
        if (take("(")) parameters();
        while (!here().is("{")) {
            // .maxntid 32, 1, 1 and its like: wishes of the compiler's.
            if (here().kind == Token::END || here().is(";")) fail("a kernel without a body");
            ++at_;
        }
        block();
        resolve();
    }
    void parameters() {
        while (!take(")")) {
            need(".param");
            Declared d = declared();
            Param p{d.name, static_cast<u32>(round_up(entry_->param_bytes, d.align)), static_cast<u32>(d.bytes()),
                    static_cast<u32>(d.align)};
            entry_->param_bytes = p.offset + p.bytes;
            Operand& name = scopes_[0].names[p.name];
            name.kind = Operand::VALUE;
            name.value = p.offset;
            entry_->params.push_back(p);
            take(",");
        }
    }
    void block() {
        need("{");
        while (!take("}")) {
            if (here().kind == Token::END) fail("a kernel that does not end");
            statement();
        }
    }
    void statement() {
        if (here().is("{")) {
            open_.push_back(scopes_.size());
            scopes_.emplace_back();
            block();
            open_.pop_back();
        } else if (take(".reg")) {
            registers();
        } else if (take(".shared")) {
            shared_variable(false, entry_->shared_bytes, scope().names);
        } else if (take(".local")) {
            shared_variable(false, entry_->local_bytes, scope().names);
        } else if (take(".pragma")) {
            while (!take(";")) ++at_;
        } else if (here().is(".loc")) {
            skip_line();
        } else if (here().text[0] == '.') {
            fail("the directive " + here().text);
        } else if (here(1).is(":")) {
            scope().labels[take().text] = static_cast<u32>(entry_->code.size());
            need(":");
        } else {
            instruction();
        }
    }
    Braces& scope() { return scopes_[open_.back()]; }
    void registers() {
        if (bits_of(take().text) == 0) fail("a register of that type");
        do {
            std::string name = take().text;
            u32 count = 1;
            if (take("<")) {
                count = static_cast<u32>(integer());
                need(">");
                scope().ranges[name] = {entry_->registers, count};
            } else {
                Operand& one = scope().names[name];
                one.kind = Operand::REGISTER;
                one.slot = entry_->registers;
            }
            entry_->registers += count;
        } while (take(","));
        need(";");
    }

    // ---- an instruction ----

    void instruction() {
        Instruction i;
        i.line = here().line;
        size_t first = at_;
        if (take("@")) {
            i.guard_negated = take("!");
            Operand guard = named(take().text);
            if (guard.kind != Operand::REGISTER) fail("a guard that is no predicate");
            i.guard = static_cast<i32>(guard.slot);
        }
        i.opcode = take().text;
        i.site = text_of(first);
        std::vector<ParsedOperand> operands;
        bool branch = i.opcode == "bra" || i.opcode == "bra.uni";
        if (branch) branches_.push_back({entry_->code.size(), take().text, open_});
        else if (!here().is(";")) do operands.push_back(operand()); while (take(","));
        need(";");
        try {
            decode(i, operands);
        } catch (const Unsupported& what) {
            throw Unsupported("line " + std::to_string(i.line) + ": " + i.opcode + ": " + what.what());
        }
        if (i.op == Op::BAR) ++entry_->barriers;
        entry_->code.push_back(std::move(i));
    }
    // For people.
    std::string text_of(size_t first) const {
        std::string text = entry_->name + " line " + std::to_string(tokens_[first].line) + ": ";
        for (size_t at = tokens_[first].at; at < text_.size(); ++at) {
            bool space = text_[at] == ' ' || text_[at] == '\t' || text_[at] == '\n';
            if (!space) text += text_[at];
            else if (text.back() != ' ') text += ' ';
            if (text_[at] == ';') break;
        }
        return text;
    }
    Operand named(const std::string& name) const {
        for (auto open = open_.rbegin(); open != open_.rend(); ++open) {
            const Braces& in = scopes_[*open];
            auto found = in.names.find(name);
            if (found != in.names.end()) return found->second;
            size_t digits = name.size();
            while (digits > 0 && name[digits - 1] >= '0' && name[digits - 1] <= '9') --digits;
            auto range = in.ranges.find(name.substr(0, digits));
            if (range == in.ranges.end() || digits == name.size() || name.size() - digits > 9) continue;
            u32 number = static_cast<u32>(std::stoul(name.substr(digits)));
            if (number >= range->second.count) continue;
            Operand o;
            o.kind = Operand::REGISTER;
            o.slot = range->second.first + number;
            return o;
        }
        auto special = specials().find(name);
        if (special == specials().end()) fail("the name " + name);
        Operand o;
        o.kind = Operand::SPECIAL;
        o.slot = static_cast<u32>(special->second);
        return o;
    }
    Operand one() {
        Operand o;
        bool negated = take("!");
        if (here().kind == Token::NAME) {
            std::string name = take().text;
            if (name == "_") return o;
            o = named(name);
            o.negated = negated;
            return o;
        }
        o.kind = Operand::VALUE;
        o.value = here().kind == Token::FLOAT32 || here().kind == Token::FLOAT64 ? take().value : integer();
        return o;
    }
    ParsedOperand operand() {
        ParsedOperand o;
        if (take("[")) {
            o.kind = ParsedOperand::ADDRESS;
            o.values.push_back(one());
            if (take("+")) o.offset = static_cast<i64>(integer());
            else if (here().is("-")) o.offset = static_cast<i64>(integer());
            need("]");
        } else if (take("{")) {
            o.kind = ParsedOperand::VECTOR;
            do o.values.push_back(one()); while (take(","));
            need("}");
        } else {
            o.values.push_back(one());
            if (take("|")) {
                o.kind = ParsedOperand::PAIR;
                o.values.push_back(one());
            } else if (take("+")) {
                if (o.values[0].kind == Operand::REGISTER) fail("a sum with a register");
                o.values[0].value += integer();
            }
        }
        return o;
    }
    void resolve() {
        // Behind the last instruction a thread would run out of the kernel: it ends there.
        Instruction end;
        end.site = entry_->name + ": its end";
        end.opcode = "ret";
        entry_->code.push_back(end);
        for (const Branch& branch : branches_) {
            Instruction& from = entry_->code[branch.instruction];
            bool found = false;
            for (auto open = branch.scopes.rbegin(); open != branch.scopes.rend() && !found; ++open) {
                auto label = scopes_[*open].labels.find(branch.label);
                found = label != scopes_[*open].labels.end();
                if (found) from.target = label->second;
            }
            if (!found) throw Unsupported("line " + std::to_string(from.line) + ": the label " + branch.label);
        }
    }

    const std::string& text_;
    std::vector<Token> tokens_;
    size_t at_ = 0;
    Program& into_;
    std::map<std::string, Operand> module_names_;
    u32 module_shared_ = 0;
    std::vector<Initial> initials_;
    Entry* entry_ = nullptr;
    std::vector<Braces> scopes_;
    std::vector<size_t> open_;  // the scopes that the parser is in
    std::vector<Branch> branches_;
};

std::unique_ptr<Program> Program::parse(const std::string& text) {
    auto program = std::make_unique<Program>();
    Parser(text, *program).module();
    return program;
}
const Entry* Program::entry(const std::string& name) const {
    auto found = entries.find(name);
    return found == entries.end() ? nullptr : &found->second;
}
const Variable* Program::variable(const std::string& name) const {
    for (const Variable& v : variables)
        if (v.name == name) return &v;
    return nullptr;
}
std::map<std::string, u64> Program::executed() const {
    std::map<std::string, u64> counts;
    for (auto& [name, entry] : entries)
        for (const Instruction& i : entry.code) counts[i.opcode] += i.executed;
    return counts;
}
void Program::Free::operator()(u8* bytes) const { ::operator delete(bytes, std::align_val_t(256)); }

std::vector<u8> Entry::pack(const void* const* arguments) const {
    std::vector<u8> bytes(param_bytes);
    for (size_t i = 0; i < params.size(); ++i) std::memcpy(&bytes[params[i].offset], arguments[i], params[i].bytes);
    return bytes;
}
}  // namespace ptx
