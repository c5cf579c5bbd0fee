//! Machine code, as nvdisasm and the cubin show it.

use std::collections::BTreeMap;

pub struct Instruction {
    /// With its suffixes, without its predicate.
    pub opcode: String,
    pub operands: String,
    /// It has a predicate.
    pub conditional: bool,
    /// The labels in front of it.
    pub labels: Vec<String>,
}

impl Instruction {
    /// `/*0090*/  @!P0 BRA `(.L_x_1) ;`
    pub fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.trim_start().strip_prefix("/*")?.split_once("*/")?;
        let (mut text, _) = rest.split_once(';')?;
        text = text.trim();
        let conditional = text.starts_with('@');
        if conditional {
            text = text.split_once(' ')?.1.trim_start();
        }
        let (opcode, operands) = text.split_once(' ').unwrap_or((text, ""));
        let (opcode, operands) = (opcode.to_owned(), operands.trim().to_owned());
        Some(Self { opcode, operands, conditional, labels: Vec::new() })
    }
    pub fn base(&self) -> &str {
        self.opcode.split('.').next().unwrap_or_default()
    }
    pub fn is_padding(&self) -> bool {
        self.opcode == "NOP"
    }
    pub fn is_atomic_with_result(&self) -> bool {
        self.base().starts_with("ATOM")
    }
    pub fn is_compare_and_swap(&self) -> bool {
        self.opcode.split('.').any(|part| part.starts_with("CAS"))
    }
    /// Also spelled REDG; REDUX works on registers.
    pub fn is_red(&self) -> bool {
        matches!(self.base(), "RED" | "REDG" | "REDS" | "UREDG")
    }
    /// The one way to count: no result, no order, an address known to be global.
    pub fn counts(&self) -> bool {
        matches!(&*self.opcode, "RED.E.ADD.64.STRONG.GPU" | "REDG.E.ADD.64.STRONG.GPU")
    }
    /// To the largest of what was there: as counting.
    pub fn raises(&self) -> bool {
        matches!(&*self.opcode, "RED.E.MAX.64.STRONG.GPU" | "REDG.E.MAX.64.STRONG.GPU")
    }
    pub fn stores_word(&self) -> bool {
        self.opcode == "STG.E.64.STRONG.GPU"
    }
    /// MEMBAR brings along the others; CCTL drops the L1 cache behind an acquire.
    pub fn is_fence(&self) -> bool {
        matches!(self.base(), "MEMBAR" | "ERRBAR" | "CGAERRBAR" | "FENCE" | "CCTL" | "BAR" | "UCGABAR_ARV")
    }
    /// To a function, and the return from one. Two spellings are none, both of ptxas for sm_75 to sm_89: a far jump,
    /// `CALL.REL.NOINC` to a label of the same function; and what stands behind a shuffle's or a meeting's
    /// `BRA.DIV`, for a warp that is not converged, where ringscope's always are.
    pub fn is_call(&self) -> bool {
        let none = ["`(.L_", "__cuda_sm70_shflsync", "__cuda_sm70_warpsync"]
            .iter()
            .any(|target| self.operands.contains(target));
        matches!(self.base(), "CALL" | "UCALL" | "JCAL") && !none || self.base() == "RET"
    }
    pub fn is_local(&self) -> bool {
        matches!(self.base(), "LDL" | "STL")
    }
    /// Of memory that somebody may have written: a message would wait for it. The tables of buckets are constant.
    pub fn loads(&self) -> bool {
        matches!(self.base(), "LD" | "LDG" | "ULDG") && !self.opcode.contains(".CONSTANT")
    }
    /// Relaxed, of one word or the half of it that is needed: the reader of what is its own, or the host's filter. Nothing is ordered by it.
    pub fn loads_word(&self) -> bool {
        matches!(&*self.opcode, "LDG.E.64.STRONG.GPU" | "LDG.E.STRONG.GPU")
    }
    /// Of floats by their addresses, as a kernel's own.
    pub fn loads_input(&self) -> bool {
        self.base() == "LDG" && ["LDG.E", "LDG.E.CONSTANT", "LDG.E.SYS", "LDG.E.CONSTANT.SYS"].contains(&&*self.opcode)
    }
    pub fn jumps(&self) -> bool {
        matches!(self.base(), "BRA" | "BRX" | "JMP")
    }
    pub fn reads_clock(&self) -> bool {
        ["SR_GLOBALTIMER", "SR_CLOCK"].iter().any(|clock| self.operands.contains(clock))
    }
}

/// A kind of instruction.
pub type Kind = fn(&Instruction) -> bool;

pub struct Kernel {
    pub registers: u32,
    /// What ptxas says of the stack and of spills.
    pub frame: String,
    pub instructions: Vec<Instruction>,
    /// The .text section.
    pub code: Vec<u8>,
}

impl Kernel {
    pub fn count(&self, which: Kind) -> usize {
        self.instructions.iter().filter(|i| which(i)).count()
    }
    pub fn size(&self) -> usize {
        self.count(|i| !i.is_padding())
    }
    /// What ptxas says, in bytes: of stores and of loads.
    pub fn spills(&self) -> (u32, u32) {
        let bytes = |what: &str| {
            let before = self.frame.split_once(what).expect("ptxas tells it").0.trim_end();
            before.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("a number of bytes")
        };
        (bytes("bytes spill stores"), bytes("bytes spill loads"))
    }
    /// How often each opcode of a kind occurs; calls by what they call.
    pub fn census(&self, which: Kind) -> BTreeMap<String, usize> {
        let mut census = BTreeMap::new();
        for i in self.instructions.iter().filter(|i| which(i)) {
            let target = if i.is_call() && i.base() != "RET" { &*i.operands } else { "" };
            *census.entry(format!("{} {target}", i.opcode)).or_default() += 1;
        }
        census
    }
}

/// The `.text.NAME` sections of a cubin. A cubin is an ELF file of 64 bits, little-endian.
pub fn code_of(cubin: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let number = |at: usize, bytes: usize| {
        let mut word = [0; 8];
        word[..bytes].copy_from_slice(&cubin[at..at + bytes]);
        usize::try_from(u64::from_le_bytes(word)).expect("an offset in memory")
    };
    assert!(cubin.starts_with(b"\x7fELF\x02\x01"), "not an ELF file");
    let (headers, header_size, count, names) = (number(0x28, 8), number(0x3a, 2), number(0x3c, 2), number(0x3e, 2));
    let section = |index: usize| {
        let header = headers + index * header_size;
        (number(header, 4), number(header + 0x18, 8), number(header + 0x20, 8))
    };
    let names = section(names).1;
    let name = |at: usize| cubin[names + at..].split(|&byte| byte == 0).next().map(String::from_utf8_lossy);
    let sections = (0..count).map(section).filter_map(|(at, offset, size)| {
        let name = name(at)?.strip_prefix(".text.")?.to_owned();
        Some((name, cubin[offset..offset + size].to_vec()))
    });
    sections.collect()
}

/// nvdisasm's listing, kernel by kernel.
pub fn instructions_of(listing: &str) -> BTreeMap<String, Vec<Instruction>> {
    let mut kernels: BTreeMap<String, Vec<Instruction>> = BTreeMap::new();
    let (mut current, mut labels) = (None, Vec::new());
    for line in listing.lines() {
        if let Some(name) = line.strip_prefix(".text.").and_then(|rest| rest.strip_suffix(':')) {
            current = Some(name.to_owned());
        } else if let Some(label) = line.strip_suffix(':').filter(|label| label.starts_with(".L_")) {
            labels.push(label.to_owned());
        } else if let (Some(name), Some(mut instruction)) = (&current, Instruction::parse(line)) {
            instruction.labels = std::mem::take(&mut labels);
            kernels.entry(name.clone()).or_default().push(instruction);
        }
    }
    kernels
}

/// What `ptxas -v` says of a kernel: its frame and its registers.
pub fn resources_of(said: &str, kernel: &str) -> (String, u32) {
    let of = said.split_once(&format!("Compiling entry function '{kernel}'")).expect("ptxas names the kernel").1;
    let of = of.split("Compiling entry").next().unwrap_or_default();
    let frame = of.lines().find(|line| line.contains("stack frame")).expect("a line of the frame").trim();
    let used = of.split_once("Used ").and_then(|(_, rest)| rest.split(' ').next());
    (frame.to_owned(), used.and_then(|n| n.parse().ok()).expect("a number of registers"))
}
