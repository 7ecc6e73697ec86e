// What a tap prints of a layer, and the symbols that stand in for its values behind it.
#include "csim_support.h"
#include <cstdio>

namespace csim {

// What stands in for a value: every code that the golden layer can put out, as far as the type holds it. That the layer
// puts out the same is proven at this tap, so that nothing else reaches the next layer.
static proof::Number golden_code(size_t place, const proof::Type &type) {
    proof::Proof &proof = proof::proof();
    proof::Interval codes = type.all();
    int fraction = type.fraction();
    if (proof.golden.count(proof.segment) && place < proof.golden[proof.segment].codes.size()) {
        const proof::GoldenLayer &layer = proof.golden[proof.segment];
        int down = type.fraction() - layer.fraction; // the type's grid is finer by so many bits
        if (down >= 0)
            codes = {-((-codes.low) >> down), codes.high >> down}, fraction = layer.fraction;
        proof::Interval golden = layer.codes[place];
        if (down < 0)
            golden = {golden.low >> -down, golden.high >> -down};
        codes = {std::max(codes.low, golden.low), std::max(std::min(codes.high, golden.high), std::max(codes.low, golden.low))};
    }
    std::string definition = "t " + std::to_string(proof.segment) + ' ' + std::to_string(place) + ' ' + std::to_string(fraction);
    proof.name_place(definition, proof.segment);
    return proof::shifted(proof.base(definition, codes, fraction), type.fraction() - fraction);
}

proof::Number record(const proof::Number &value, size_t place, const proof::Type &type) {
    proof::Proof &proof = proof::proof();
    proof::Interval codes = value.is_constant() ? value.codes : proof.of(value);
    std::fprintf(proof.out, "o %u %u %zu %s %s %s\n", proof.event, proof.segment, place, proof::text(codes.low).c_str(),
                 proof::text(codes.high).c_str(), proof::text(value.form).c_str());
    proof.note_reader(value.form);
    return proof.needs(proof.segment) ? golden_code(place, type) : proof::constant(0, type.fraction());
}

void begin(const char *name, size_t size, const proof::Type &type) {
    proof::Proof &proof = proof::proof();
    std::fprintf(proof.out, "l %u %u %s %zu %s\n", proof.event, proof.segment, name, size, type.text().c_str());
}

} // namespace csim
