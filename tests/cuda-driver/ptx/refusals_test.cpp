// refusals_test.cpp: PTX that is not understood is an error with the opcode and the line, never a guess.
#include "bench.h"

using namespace bench;

namespace {
void refused(const std::string& text, const std::string& says, const std::string& line) {
    try {
        Program::parse(text);
        check(false, "understood: " + says);
    } catch (const Unsupported& what) {
        std::string message = what.what();
        check(message.find(says) != std::string::npos, message + " does not name " + says);
        check(message.find("line " + line) == 0, message + " does not name line " + line);
    }
}
// One instruction in a kernel, on line 5 of its text.
void instruction(const std::string& one, const std::string& says) {
    refused(module_of(".entry k(.param .u64 p) { .reg .b32 %r<9>; .reg .b64 %d<9>; .reg .pred %p<9>; .reg .b16 %h<9>;\n" + one + "\nret; }"), says, "5: ");
}
}  // namespace

void test_refusals() {
    for (std::string opcode : {"tex.2d.v4.f32.s32", "cp.async.ca.shared.global", "mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32", "dp4a.u32.u32", "add.cc.u32",
                               "addc.u32", "elect.sync", "griddepcontrol.wait", "call", "brx.idx", "mbarrier.init.b64", "bar.arrive", "shfl.b32", "shfl.idx.b32"})
        instruction(opcode + " %r1, %r2, %r3;", opcode);
    // One word that does not belong there.
    for (std::string opcode : {"add.u7", "add.u32.u32", "add.f16", "add.rn.u32", "add.ftz.f64", "add.sat.u32", "mul.u32", "mul.wide.u64", "mul.up.u32", "shl.u32", "shr.f32",
                               "and.u32", "setp.lt.b32", "setp.lo.s32", "setp.ltu.u32", "setp.eq.nand.u32", "min.rn.f32", "fma.f32", "div.f32", "div.rn.ftz.f64", "rem.f32",
                               "max.xorsign.abs.f32", "shf.l.b32", "selp.pred", "vote.sync.some.pred"})
        instruction(opcode + " %r1, %r2, %r3;", opcode);
    for (std::string opcode : {"ld.acq_rel.gpu.u32", "ld.relaxed.u32", "ld.relaxed.gpu.texture.u32", "ld.release.gpu.u32", "ld.u128", "ld.v8.u32", "ld.sc.gpu.u32", "ld.global.mmio.u32"})
        instruction(opcode + " %r1, [%d1];", opcode);
    for (std::string opcode : {"atom.inc.u32", "atom.add.b32", "atom.add.noftz.f16", "atom.exch.u32", "atom.sc.gpu.add.u32", "atom.local.add.u32", "atom.cluster.add.u32", "atom.cta.shared.cta.add.u32"})
        instruction(opcode + " %r1, [%d1], %r2;", opcode);
    instruction("red.cas.b32 [%d1], %r1, %r2;", "red.cas.b32");
    instruction("st.const.u32 [%d1], %r1;", "st.const.u32");
    instruction("cvt.f32.f64 %r1, %d1;", "cvt.f32.f64");
    instruction("cvt.rn.u32.u64 %r1, %d1;", "cvt.rn.u32.u64");
    instruction("cvt.rn.u32.f32 %r1, %r1;", "cvt.rn.u32.f32");
    instruction("fence.proxy.async;", "fence.proxy.async");
    instruction("membar.gpu;", "membar.gpu");
    // Operands that do not go with it.
    instruction("add.u32 %r1, %r2;", "add.u32");
    instruction("add.u32 %r1, %r2, %r3, %r4;", "add.u32");
    instruction("add.u32 %r1|%p1, %r2, %r3;", "add.u32");
    instruction("add.u32 4, %r2, %r3;", "add.u32");
    instruction("ld.global.v2.u32 %r1, [%d1];", "ld.global.v2.u32");
    instruction("ld.global.u32 %r1, %d1;", "ld.global.u32");
    instruction("mov.b64 {%r1, %r2}, {%r3, %r4};", "mov.b64");
    instruction("mov.u32 %r1, %r9;", "%r9");
    instruction("mov.u32 %r1, %tid.w;", "%tid.w");
    instruction("mov.u32 %r1, %reserved_smem_offset_begin;", "%reserved_smem_offset_begin");
    instruction("bra NOWHERE;", "NOWHERE");
    instruction("mov.u32 %r1, 0xg;", "0xg");
    instruction("@%q bra NOWHERE;", "%q");
    instruction(".reg .f16x2 %x;", "register of that type");
    instruction(".branchtargets A, B;", ".branchtargets");
    refused(module_of(".extern .global .u32 elsewhere;"), "a variable of another module", "4: ");
    refused(module_of(".global .u32 a[2] = {1, 2, 3};"), "longer than its variable", "4: ");
    refused(module_of(".global .u64 a = other;"), "other", "4: ");
    refused(module_of(".texref t;"), ".texref", "4: ");
    refused(module_of(".entry k(.param .u64 p) { ret;"), "does not end", "4: ");
    refused(".version 8.0\n.target sm_75\n.address_size 32\n", "64 bits", "3: ");
    // A function that nobody calls does not matter; braces in a kernel have names of their own.
    std::vector<u64> words(8);
    Ran r = run(kernel("{ .reg .pred %q; .reg .b32 %w<2>;\nmov.u32 %w1, 5;\nsetp.eq.u32 %q, %w1, 5;\n@%q bra L;\ntrap;\nL:\n}\n{ .reg .b32 %w<2>;\nmov.u32 %w1, 9;\nbra L;\ntrap;\n"
                       "L:\nst.global.u32 [%d1], %w1; }", 8, ".func (.param .b32 r) f(.param .b32 a) { tex.2d x; { } ret; }\n.extern .func g(.param .b64 a);\n"), words, 1);
    check(r.outcome.end == Outcome::RETURNED, r.outcome.text);
    same(words[0], 9, "names in braces");
    // What was executed is counted by opcode, and what was not is there.
    auto program = Program::parse(kernel("add.u32 %w2, %w0, 1;\nbra L;\ntrap;\nL:"));
    check(program->executed().at("trap") == 0 && program->executed().count("add.u32") == 1, "opcodes");
}
