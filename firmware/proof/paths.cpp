// Symbols of a run, and the choice of a path at each branch on them.
#include "paths.h"

namespace proof {

Number Proof::fresh(const std::string &definition, Interval codes, const std::vector<unsigned> &roots, int fraction) {
    auto known = known_.find(definition);
    unsigned id;
    if (known != known_.end()) {
        id = known->second;
    } else {
        id = unsigned(symbols.size());
        if (id > most_symbols)
            throw Unprovable("more than two million symbols");
        symbols.push_back({codes, roots});
        known_[definition] = id;
        std::fprintf(out, "s %u %s %s %s\n", id, text(codes.low).c_str(), text(codes.high).c_str(), definition.c_str());
    }
    return of_symbol(id, fraction);
}

Number Proof::base(const std::string &definition, Interval codes, int fraction) {
    return fresh(definition + ' ' + std::to_string(event), codes, {place(definition)}, fraction);
}

unsigned Proof::place(const std::string &definition) {
    return places_.emplace(definition, unsigned(places_.size())).first->second;
}

Number Proof::of_symbol(unsigned id, int fraction) const {
    Number number;
    number.form.terms.emplace_back(Monomial(id), big(1));
    number.fraction = fraction;
    number.codes = symbols[id].codes;
    return number;
}

std::vector<unsigned> Proof::roots(const Form &form) const {
    std::set<unsigned> found;
    for (auto &term : form.terms)
        for (unsigned id : symbols_of(term.first))
            found.insert(symbols[id].roots.begin(), symbols[id].roots.end());
    return {found.begin(), found.end()};
}

Interval Proof::of_terms(const Form &form) const {
    Interval sum{form.constant, form.constant};
    for (auto &term : form.terms) {
        Interval part{1, 1};
        std::vector<unsigned> ids = symbols_of(term.first);
        if (ids.size() == 2 && ids[0] == ids[1]) {
            const Interval &s = symbols[ids[0]].codes;
            part = product_of(s, s);
            big least = s.low > 0 ? s.low : s.high < 0 ? -s.high : 0;
            part.low = checked_product(least, least);
        } else {
            for (unsigned id : ids)
                part = product_of(part, symbols[id].codes);
        }
        part = product_of(part, {term.second, term.second});
        sum = {checked_sum(sum.low, part.low), checked_sum(sum.high, part.high)};
    }
    return sum;
}

Interval Proof::of(const Number &number) const {
    Interval found = common(number.codes, of_terms(number.form));
    auto limit = limits_.find(text(number.form));
    return limit == limits_.end() ? found : common(found, limit->second);
}

bool Proof::decide(const Number &number, bool is_equal) {
    Interval codes = of(number);
    if (is_equal ? codes.low > 0 || codes.high < 0 : codes.high <= 0)
        return false;
    if (is_equal ? codes.low == 0 && codes.high == 0 : codes.low > 0)
        return true;
    if (is_equal && !single(number.form))
        throw Unprovable("a branch on whether a sum of several values is zero");
    if (is_equal)
        return is_zero(number.form);
    big choice = choose(number.form, 2);
    limit(number, choice == 0);
    return choice == 0;
}

// Whether factor * symbol + constant is zero: a path for it, and one for each side that is left.
bool Proof::is_zero(const Form &form) {
    unsigned id = unsigned(form.terms[0].first);
    big factor = form.terms[0].second, zero = -form.constant / factor;
    if (zero * factor != -form.constant)
        return false;
    Interval codes = symbols[id].codes;
    bool below = codes.low < zero, above = codes.high > zero;
    big choice = choose(form, 1 + below + above);
    bool is_below = choice == 1 && below;
    narrow(id, choice == 0 ? Interval{zero, zero} : is_below ? Interval{codes.low, zero - 1} : Interval{zero + 1, codes.high});
    return choice == 0;
}

void Proof::join(const std::string &definition, const std::string &with) {
    unsigned a = segments[segment].find(place(definition)), b = segments[segment].find(place(with));
    segments[segment].one_by_one = true;
    if (a != b)
        segments[segment].parent[a] = b;
}

big Proof::enumerate(const Number &number) {
    if (number.is_constant())
        return number.form.constant;
    Interval codes = of(number);
    if (codes.low == codes.high)
        return codes.low;
    if (!single(number.form) || number.form.terms[0].second != 1)
        throw Unprovable("a sum of values is used as an integer");
    if (codes.high - codes.low >= most_choices)
        throw Unprovable("a value of more than 13 bits is used as a place in a table");
    unsigned id = unsigned(number.form.terms[0].first);
    big code = codes.low + choose(number.form, codes.high - codes.low + 1);
    narrow(id, {code - number.form.constant, code - number.form.constant});
    return code;
}

void Proof::narrow(unsigned id, Interval to) {
    narrowed_.emplace_back(id, symbols[id].codes);
    symbols[id].codes = common(symbols[id].codes, to);
    std::fprintf(out, "n %u %u %u %s %s\n", event, segment, id, text(symbols[id].codes.low).c_str(),
                 text(symbols[id].codes.high).c_str());
}

void Proof::start_event() {
    segment = 0;
    known_.clear();
    for (auto &entry : segments) {
        entry.second.joined = false;
        for (auto &group : entry.second.groups)
            group.second.position = 0;
    }
}

bool Proof::finish_event() {
    bool more = false;
    for (auto &entry : segments) {
        Segment &of = entry.second;
        for (auto &item : of.groups) {
            Group &group = item.second;
            if (of.one_by_one && !of.joined)
                break;
            if (of.joined) {
                group = Group();
                continue;
            }
            group.paths++;
            if (!group.finished && !next(group))
                group.finished = true;
            if (group.paths > most_paths) {
                group.finished = true;
                std::fprintf(out, "u %u more than 8,192 paths of branches that depend on each other\n", entry.first);
            }
        }
        if (of.joined)
            of.begun = false, of.sweep = 0;
        else if (of.one_by_one && of.sweep < 2)
            go_on(of, entry.first);
        std::fprintf(out, "g %u %u %d\n", event, entry.first, of.joined ? 1 : 0);
        if (of.joined)
            for (auto item = of.groups.begin(); item != of.groups.end();)
                item = of.find(item->first) == item->first ? std::next(item) : of.groups.erase(item);
        more = more || !of.finished();
    }
    event++;
    return more || event < fully_symbolic_events;
}

void Proof::pass_tap() {
    for (; !narrowed_.empty(); narrowed_.pop_back())
        symbols[narrowed_.back().first].codes = narrowed_.back().second;
    limits_.clear();
    segment++;
}

bool Proof::needs(unsigned tap) {
    if (event < fully_symbolic_events)
        return true;
    for (auto &entry : segments)
        if (!entry.second.finished() && readers_[tap].count(entry.first))
            return true;
    return false;
}

void Proof::note_reader(const Form &form) {
    if (event < fully_symbolic_events)
        note_places(roots(form));
}

void Proof::note_places(const std::vector<unsigned> &places) {
    for (unsigned place : places)
        if (tap_of_.count(place))
            readers_[tap_of_[place]].insert(segment);
}

bool Proof::single(const Form &form) {
    return form.terms.size() == 1 && symbols_of(form.terms[0].first).size() == 1;
}

bool Proof::next(Group &group) {
    while (!group.path.empty() && group.path.back().taken == group.path.back().last)
        group.path.pop_back();
    if (group.path.empty())
        return false;
    group.path.back().taken++;
    return true;
}

// Takes the next path of the group whose turn it is, or gives the turn to another one.
void Proof::go_on(Segment &of, unsigned tap) {
    if (of.begun) {
        Group &group = of.groups[of.current];
        if (++group.paths > 2 * most_paths) {
            std::fprintf(out, "u %u more than 8,192 paths of branches that depend on each other\n", tap);
            of.sweep = 2;
            return;
        }
        if (next(group))
            return;
        group.path.clear();
        group.sweeps = of.sweep + 1;
    }
    of.begun = true;
    for (; of.sweep < 2; of.sweep++)
        for (auto &item : of.groups)
            if (item.second.sweeps == of.sweep) {
                of.current = item.first;
                return;
            }
}

big Proof::choose(const Form &form, big n) {
    Segment &of = segments[segment];
    std::vector<unsigned> places = roots(form);
    unsigned first = of.find(places.at(0));
    for (unsigned place : places) {
        unsigned other = of.find(place);
        if (other == first)
            continue;
        of.parent[other] = first;
        of.joined = true;
    }
    note_places(places);
    if (of.joined)
        of.groups[first]; // the group begins anew behind this event
    Group &group = of.groups[first];
    if (of.joined)
        return 0;
    if (of.one_by_one && !(of.begun && of.current == first))
        return of.sweep == 1 ? n - 1 : 0;
    if (group.position == group.path.size())
        group.path.push_back({0, n - 1});
    Choice &choice = group.path[group.position++];
    if (choice.last != n - 1)
        throw Unprovable("a path differs from the one before it, which it begins like: a state is kept");
    return choice.taken;
}

void Proof::limit(const Number &number, bool holds) {
    const Form &form = number.form;
    if (single(form)) {
        unsigned id = unsigned(form.terms[0].first);
        big factor = form.terms[0].second;
        Interval codes = symbols[id].codes;
        // factor * s + constant > 0, or not
        big last = factor > 0 ? floor_of(-form.constant, factor) : floor_of(form.constant - 1, -factor);
        bool above = (factor > 0) == holds;
        return narrow(id, above ? Interval{last + 1, codes.high} : Interval{codes.low, last});
    }
    Interval codes = of(number);
    codes = holds ? Interval{1, codes.high} : Interval{codes.low, 0};
    limits_[text(form)] = codes;
    limits_[text(scaled(form, -1))] = {-codes.high, -codes.low};
    std::fprintf(out, "b %u %u %d %s\n", event, segment, holds ? 1 : 0, text(form).c_str());
}

Proof &proof() {
    static Proof instance;
    return instance;
}

} // namespace proof
