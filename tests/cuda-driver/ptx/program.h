// program.h: PTX text, parsed and decoded: what the machine runs.
//
// What the parser does not know is an error that names the opcode and the line. Variables of the module lie at real addresses
// of the process, so that the host reads and writes them as it does a GPU's. A register is a slot of 64 bits; who reads it
// takes as many of them as the instruction's type has, so what lies above them never matters.
#pragma once
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "memory.h"

namespace ptx {
using i32 = std::int32_t;
using i64 = std::int64_t;

// PTX that is not understood, with its line. Never a guess.
struct Unsupported : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Type {
    enum Kind : u8 { BITS, UNSIGNED, SIGNED, FLOAT, PREDICATE } kind = BITS;
    u8 bits = 0;  // a predicate has 1

    bool is(Kind k, unsigned b) const { return kind == k && bits == b; }
    bool is_float() const { return kind == FLOAT; }
    bool is_signed() const { return kind == SIGNED; }
    unsigned bytes() const { return bits / 8u; }
};

enum class Op : u8 {
    ABS, ACTIVEMASK, ADD, AND, ATOM, BAR, BAR_WARP, BFE, BFI, BFIND, BRA, BREV, BRKPT, CLZ, CNOT, COPYSIGN, CVT, CVTA, DIV, EXIT,
    FENCE, FMA, ISSPACEP, LD, LOP3, MAD, MATCH, MAX, MIN, MOV, MUL, NANOSLEEP, NEG, NOT, OR, POPC, PRMT, RCP, RED, REDUX, REM,
    RSQRT, SELP, SET, SETP, SHF, SHFL, SHL, SHR, SLCT, SQRT, ST, SUB, TRAP, VOTE, XOR,
};
enum class Space : u8 { GENERIC, GLOBAL, SHARED, LOCAL, CONST, PARAM };
enum class Rounding : u8 { NONE, NEAREST, ZERO, DOWN, UP };
enum class Part : u8 { LOW, HIGH, WIDE };
enum class Compare : u8 { EQ, NE, LT, LE, GT, GE, EQU, NEU, LTU, LEU, GTU, GEU, NUM, NAN_ };
enum class Combine : u8 { NONE, AND, OR, XOR };
// Of the instructions that have modes of their own; POPC is the sum of a barrier's predicates.
enum class Mode : u8 {
    NONE, UP, DOWN, BUTTERFLY, INDEX,         // shfl
    ALL, ANY, UNIFORM, BALLOT,                // vote, match
    ADD, MIN, MAX, AND, OR, XOR, POPC,        // redux, bar.red
    LEFT_WRAP, LEFT_CLAMP, RIGHT_WRAP, RIGHT_CLAMP,  // shf
    F4E, B4E, RC8, ECL, ECR, RC16,            // prmt
    SHIFT_AMOUNT,                             // bfind
};
enum class Special : u8 {
    TID_X, TID_Y, TID_Z, NTID_X, NTID_Y, NTID_Z, CTAID_X, CTAID_Y, CTAID_Z, NCTAID_X, NCTAID_Y, NCTAID_Z,
    LANEID, WARPID, NWARPID, SMID, NSMID, GLOBALTIMER, GLOBALTIMER_LO, GLOBALTIMER_HI, CLOCK, CLOCK_HI, CLOCK64,
    LANEMASK_EQ, LANEMASK_LE, LANEMASK_LT, LANEMASK_GE, LANEMASK_GT,
};

struct Operand {
    enum Kind : u8 { NONE, REGISTER, VALUE, SPECIAL, DYNAMIC_SHARED } kind = NONE;
    bool negated = false;  // a predicate
    u32 slot = 0;          // of a register; which special one
    u64 value = 0;         // bits; the address of a variable; behind the start of the dynamic shared memory
};

struct Instruction {
    Op op = Op::EXIT;
    Type type, from;  // `from`: what cvt converts from, set and setp compare, slct looks at
    Order order = Order::WEAK;
    Scope scope = Scope::GPU;
    Space space = Space::GENERIC;
    Rmw rmw = Rmw::ADD;
    Rounding rounding = Rounding::NONE;
    Part part = Part::LOW;
    Compare compare = Compare::EQ;
    Combine combine = Combine::NONE;
    Mode mode = Mode::NONE;
    bool ftz = false, sat = false, to_integral = false, nan = false, to = false, aligned = true;
    u8 width = 1;  // of a vector

    i32 guard = -1;  // slot of the predicate in front
    bool guard_negated = false;
    Operand to_value[4];      // destinations; NONE takes no result
    Operand to_predicate;     // the second destination of shfl and setp
    Operand from_value[5];
    u8 sources = 0;
    Operand address;
    i64 offset = 0;
    u32 target = 0;  // of a branch

    u32 line = 0;
    std::string opcode;  // as written
    std::string site;    // entry, line and text, for reports
    mutable u64 executed = 0;  // by how many lanes, under the machine's lock
};

// Where a parameter lies in the bytes that a launch passes.
struct Param {
    std::string name;
    u32 offset = 0, bytes = 0, align = 1;
};

struct Entry {
    std::string name;
    std::vector<Param> params;
    u32 param_bytes = 0;
    u32 registers = 0;
    u32 shared_bytes = 0;  // static; dynamic shared memory starts behind it
    u32 local_bytes = 0;   // of each thread
    u32 barriers = 0;      // how many instructions wait for the whole block
    std::vector<Instruction> code;

    // The bytes of a launch from CUDA's array of pointers to the arguments.
    std::vector<u8> pack(const void* const* arguments) const;
};

struct Variable {
    std::string name;
    Space space = Space::GLOBAL;  // or CONST
    u64 address = 0, bytes = 0;
};

class Program {
   public:
    // Throws Unsupported.
    static std::unique_ptr<Program> parse(const std::string& text);

    // Null if there is none of that name.
    const Entry* entry(const std::string& name) const;
    const Variable* variable(const std::string& name) const;
    // Lanes that executed it, by opcode as written; what was not executed is there with 0.
    std::map<std::string, u64> executed() const;

    std::map<std::string, Entry> entries;
    std::vector<Variable> variables;

   private:
    friend class Parser;
    struct Free {
        void operator()(u8* bytes) const;
    };
    std::vector<std::unique_ptr<u8, Free>> storage_;
};

// What decode needs of the parser, which knows the names.
struct ParsedOperand {
    enum Kind : u8 { ONE, ADDRESS, VECTOR, PAIR } kind = ONE;
    std::vector<Operand> values;
    i64 offset = 0;
};
// Sets what the opcode says, and where the operands belong.
void decode(Instruction& instruction, const std::vector<ParsedOperand>& operands);
}  // namespace ptx
