// places.cpp: see the header. The list has lines `frame NUMBER FILE FUNCTION TEXT CALLER`, and for each instruction, in order,
// `ENTRY OPCODE FRAME`; with tabs between.
#include "places.h"

#include <fstream>
#include <sstream>

namespace places {
namespace {
std::vector<std::string> fields(const std::string& line) {
    std::vector<std::string> all;
    std::stringstream in(line);
    for (std::string field; std::getline(in, field, '\t');) all.push_back(field);
    return all;
}
struct Row {
    std::string opcode;
    size_t frame = 0;
};
struct List {
    std::vector<std::pair<Frame, size_t>> frames{{}};  // with the caller's number; 0 is nowhere
    std::vector<Row> rows;                             // of one entry
};
List read(const std::string& file, const std::string& entry) {
    std::ifstream in(file);
    if (!in) throw std::runtime_error("no file " + file);
    List list;
    for (std::string line; std::getline(in, line);) {
        std::vector<std::string> f = fields(line);
        if (f.size() == 6 && f[0] == "frame") list.frames.push_back({{f[2], f[3], f[4]}, std::stoul(f[5])});
        if (f.size() == 3 && f[0] == entry) list.rows.push_back({f[1], std::stoul(f[2])});
    }
    return list;
}
}  // namespace

std::vector<Place> of(const ptx::Entry& entry, const std::string& file) {
    List list = read(file, entry.name);
    std::vector<Place> all(entry.code.size());
    size_t next = 0;
    for (size_t at = 0; at < entry.code.size() && next < list.rows.size(); ++at) {
        if (entry.code[at].opcode != list.rows[next].opcode) continue;
        for (size_t frame = list.rows[next].frame; frame != 0; frame = list.frames.at(frame).second) all[at].push_back(list.frames[frame].first);
        ++next;
    }
    if (next == 0 || next != list.rows.size()) throw std::runtime_error(file + " is not of the PTX of " + entry.name + ": run scripts/ptx.sh");
    return all;
}

std::string whole(const Place& place) {
    std::string text;
    for (const Frame& f : place) text += (text.empty() ? "" : " < ") + f.function + " `" + f.text + "`";
    return text;
}
std::string brief(const Place& place) {
    if (place.empty()) return "";
    std::string text = place[0].function + " (" + place[0].file + "): `" + place[0].text + "`";
    // The last is the entry itself, the one before what runs it.
    for (size_t n = 1; n + 2 < place.size(); ++n) text += (n == 1 ? ", by " : " < ") + place[n].function;
    return text;
}
}  // namespace places
