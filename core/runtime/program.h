// A graph that can be run: planned once, then run without Python and without asking any operator for its rules again.
//
// The first run goes through the funnel and notes what every call came to: the geometry of results, which results are
// new memory, when each memory is needed last. From these notes later runs call the kernels directly, on tensors that
// wait for them; results of equal size take turns in the same memory. Runs from several threads have a state each.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <optional>

#include "graph/graph.h"
#include "graph/item.h"
#include "registry/call.h"

namespace rushlight::runtime {

using graph::ValueId;

class Script;
struct Plan;
struct State;

class Program {
public:
    // Raises where a constant has no tensor or another geometry. `functions` are the graphs that it calls.
    explicit Program(graph::Graph g, std::vector<graph::Graph> functions = {});
    ~Program();

    const graph::Graph& graph() const { return captured_.graph; }
    // Runs it. Inputs must have the shapes and dtypes of the graph's inputs. Where gradients are wanted of an
    // input or a constant, every call goes through the funnel, and the tape sees it.
    // Where not `recorded`, what it does stays off the tape: it has its own walks backwards.
    // `numbers` are the inputs that are floats, in their order.
    std::vector<Tensor> run(const std::vector<Tensor>& inputs, bool recorded = true,
                            std::span<const double> numbers = {});
    // The same with inputs and results that are no tensors, and of graphs that are not straight: these are interpreted.
    std::vector<graph::Item> run(std::vector<graph::Item> inputs);
    bool tensors_only() const { return tensors_only_; }
    // How many nodes call their kernel directly in a planned run, and how many go through the funnel.
    std::array<int, 2> planned() const;
    // Of the plan: its memory, what passes did for it, what was fused, and for each element-wise node that was not the
    // reason: a line each.
    std::vector<std::string> report() const;
    // Tells of each output whether its holder lets it go before the next run: such may lie in the program's own memory.
    // Where one is held on to after all, that ends.
    void give_up(std::vector<bool> outputs) { given_up_ = std::move(outputs); }
    // The memory in which all values of a planned run lie that are neither inputs, constants nor outputs of the
    // caller's.
    size_t planned_bytes() const;

private:
    std::vector<Tensor> run_script(const std::vector<Tensor>& inputs) const;
    std::vector<Tensor> checked(const std::vector<Tensor>& inputs) const;
    // A graph and what runs of it need to know.
    struct Form {
        explicit Form(graph::Graph g);
        graph::Graph graph;
        std::vector<size_t> last_use;          // of each value: the node after which nobody reads it
        std::vector<ValueId> tensor_inputs;
        std::vector<int> number;               // of each value: which of the numbers it is, or -1
    };

    const Form& planned_form() const { return prepared_ ? *prepared_ : captured_; }
    std::vector<Tensor> run_through_funnel(const Form& form, const std::vector<Tensor>& inputs,
                                           std::span<const double> numbers, bool plan);
    std::vector<Tensor> run_planned(State& state, const std::vector<Tensor>& inputs,
                                    std::span<const double> numbers) const;
    std::unique_ptr<State> take_state();
    bool constants_are_as(const Plan& plan) const;

    Form captured_;
    std::optional<Form> prepared_;             // what is planned, where passes found something; it has no derivatives
    std::vector<std::string> prepared_notes_;
    std::unique_ptr<const Script> script_;     // of a graph that is not straight
    bool tensors_only_;
    std::vector<bool> written_input_;          // of the tensors
    std::vector<bool> given_up_;               // of each output; changed before the first run, and with the lock
    mutable std::mutex lock_;                  // of what follows
    std::shared_ptr<const Plan> plan_;
    std::vector<std::unique_ptr<State>> idle_;
};

}  // namespace rushlight::runtime
