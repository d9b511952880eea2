package main

import (
	"context"

	v1 "k8s.io/api/core/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Verdict is a status that is not a success.
type Verdict struct {
	Code    string   `json:"code"`
	Reasons []string `json:"reasons,omitempty"`
	// Nodes is what a PreFilter leaves of the nodes, where it leaves some only.
	Nodes []string `json:"nodes,omitzero"`
}

// Scores are what one plugin gives the feasible nodes, in their order.
type Scores struct {
	// Skipped: PreScore said that the plugin has nothing to say.
	Skipped    bool    `json:"skipped,omitempty"`
	Raw        []int64 `json:"raw,omitempty"`
	Normalised []int64 `json:"normalised,omitempty"`
}

// Answer is one line of the output.
type Answer struct {
	// Nodes in the order of the scheduler's list.
	Nodes []string `json:"nodes"`
	// PreEnqueue: plugin to status, where it keeps the pod out of the queue. Then nothing follows.
	PreEnqueue map[string]Verdict `json:"preenqueue,omitempty"`
	// PreFilter: plugin to status, where it is not a plain success.
	PreFilter map[string]Verdict `json:"prefilter"`
	// Filters: plugin to node to verdict; what is absent passes.
	Filters map[string]map[string]Verdict `json:"filters"`
	// Feasible: the nodes that every filter lets pass.
	Feasible []string          `json:"feasible"`
	Scores   map[string]Scores `json:"scores,omitempty"`
	// Total: the framework's weighted sum for the feasible nodes, in their order.
	Total []int64 `json:"total,omitempty"`
	// Message of the condition PodScheduled, where no node is feasible.
	Message string `json:"message,omitempty"`
	// Victims by node: what preemption would evict on each candidate.
	Victims map[string][]string `json:"victims,omitempty"`
	// Violations by node: how many of the victims a PodDisruptionBudget protects, if any.
	Violations map[string]int64 `json:"violations,omitempty"`
	// Nominated: the candidate that preemption would choose.
	Nominated string `json:"nominated,omitempty"`
	// Error: the case is not one that a cluster could hold.
	Error string `json:"error,omitempty"`
}

func verdictOf(status *fwk.Status) Verdict {
	return Verdict{Code: status.Code().String(), Reasons: status.Reasons()}
}

// evaluate asks every plugin, each for itself, and the framework for the message.
func (s *scheduler) evaluate(ctx context.Context, c *Case) (*Answer, error) {
	made, err := newCluster(c)
	if err != nil {
		return nil, err
	}
	if err := s.load(ctx, c, made); err != nil {
		return nil, err
	}
	nodes, err := s.snapshot.NodeInfos().List()
	if err != nil {
		return nil, err
	}
	answer := &Answer{
		Nodes: names(nodes), PreEnqueue: s.preEnqueue(ctx, made.pod), PreFilter: map[string]Verdict{},
		Filters: map[string]map[string]Verdict{},
	}
	if len(answer.PreEnqueue) > 0 {
		return answer, nil
	}
	state := framework.NewCycleState()
	usable := s.preFilter(ctx, state, made.pod, nodes, answer)
	feasible := s.filter(ctx, state, made.pod, usable, answer)
	answer.Feasible = names(feasible)
	if len(feasible) == 0 {
		return answer, s.explain(ctx, c, made.pod, nodes, answer)
	}
	answer.Scores = map[string]Scores{}
	for _, name := range s.order {
		if plugin, ok := s.plugins[name].(fwk.ScorePlugin); ok {
			scores, err := score(ctx, plugin, state, made.pod, feasible)
			if err != nil {
				return nil, err
			}
			answer.Scores[name] = scores
		}
	}
	answer.Total, err = s.total(ctx, state, made.pod, feasible)
	return answer, err
}

func names(nodes []fwk.NodeInfo) []string {
	out := make([]string, len(nodes))
	for i, node := range nodes {
		out[i] = node.Node().Name
	}
	return out
}

// preEnqueue runs every plugin's PreEnqueue and returns what keeps the pod out of the queue.
func (s *scheduler) preEnqueue(ctx context.Context, pod *v1.Pod) map[string]Verdict {
	held := map[string]Verdict{}
	for _, name := range s.order {
		if plugin, ok := s.plugins[name].(fwk.PreEnqueuePlugin); ok {
			if status := plugin.PreEnqueue(ctx, pod); !status.IsSuccess() {
				held[name] = verdictOf(status)
			}
		}
	}
	return held
}

// preFilter runs every plugin's PreFilter and returns the nodes that they leave.
func (s *scheduler) preFilter(
	ctx context.Context, state fwk.CycleState, pod *v1.Pod, nodes []fwk.NodeInfo, answer *Answer,
) []fwk.NodeInfo {
	var left *fwk.PreFilterResult
	rejected := false
	for _, name := range s.order {
		plugin, ok := s.plugins[name].(fwk.PreFilterPlugin)
		if !ok {
			continue
		}
		result, status := plugin.PreFilter(ctx, state, pod, nodes)
		if !status.IsSuccess() {
			answer.PreFilter[name] = verdictOf(status)
			rejected = rejected || !status.IsSkip()
		} else if !result.AllNodes() {
			kept := []string{}
			for _, node := range nodes {
				if result.NodeNames.Has(node.Node().Name) {
					kept = append(kept, node.Node().Name)
				}
			}
			answer.PreFilter[name] = Verdict{Code: status.Code().String(), Nodes: kept}
			left = left.Merge(result)
		}
	}
	if rejected {
		return nil
	}
	usable := []fwk.NodeInfo{}
	for _, node := range nodes {
		if left.AllNodes() || left.NodeNames.Has(node.Node().Name) {
			usable = append(usable, node)
		}
	}
	return usable
}

// filter runs every plugin's Filter on every node and returns those that pass them all.
func (s *scheduler) filter(
	ctx context.Context, state fwk.CycleState, pod *v1.Pod, usable []fwk.NodeInfo, answer *Answer,
) []fwk.NodeInfo {
	passed := map[string]int{}
	asked := 0
	nodes, _ := s.snapshot.NodeInfos().List()
	for _, name := range s.order {
		plugin, ok := s.plugins[name].(fwk.FilterPlugin)
		if !ok || answer.PreFilter[name].Code != "" && answer.PreFilter[name].Code != "Success" {
			continue
		}
		asked++
		for _, node := range nodes {
			status := plugin.Filter(ctx, state, pod, node)
			if status.IsSuccess() {
				passed[node.Node().Name]++
				continue
			}
			if answer.Filters[name] == nil {
				answer.Filters[name] = map[string]Verdict{}
			}
			answer.Filters[name][node.Node().Name] = verdictOf(status)
		}
	}
	feasible := []fwk.NodeInfo{}
	for _, node := range usable {
		if passed[node.Node().Name] == asked {
			feasible = append(feasible, node)
		}
	}
	return feasible
}

// score runs one plugin's PreScore, Score and NormalizeScore on the feasible nodes.
func score(
	ctx context.Context, plugin fwk.ScorePlugin, state fwk.CycleState, pod *v1.Pod, feasible []fwk.NodeInfo,
) (Scores, error) {
	if before, ok := plugin.(fwk.PreScorePlugin); ok {
		status := before.PreScore(ctx, state, pod, feasible)
		if status.IsSkip() {
			return Scores{Skipped: true}, nil
		}
		if !status.IsSuccess() {
			return Scores{}, status.AsError()
		}
	}
	list := make(fwk.NodeScoreList, len(feasible))
	for i, node := range feasible {
		raw, status := plugin.Score(ctx, state, pod, node)
		if !status.IsSuccess() {
			return Scores{}, status.AsError()
		}
		list[i] = fwk.NodeScore{Name: node.Node().Name, Score: raw}
	}
	scores := Scores{Raw: values(list)}
	if after := plugin.ScoreExtensions(); after != nil {
		if status := after.NormalizeScore(ctx, state, pod, list); !status.IsSuccess() {
			return Scores{}, status.AsError()
		}
	}
	scores.Normalised = values(list)
	return scores, nil
}

// total lets the framework score the feasible nodes, with the weights of the default profile.
func (s *scheduler) total(
	ctx context.Context, state fwk.CycleState, pod *v1.Pod, feasible []fwk.NodeInfo,
) ([]int64, error) {
	if status := s.framework.RunPreScorePlugins(ctx, state, pod, feasible); !status.IsSuccess() {
		return nil, status.AsError()
	}
	scores, status := s.framework.RunScorePlugins(ctx, state, pod, feasible)
	if !status.IsSuccess() {
		return nil, status.AsError()
	}
	out := make([]int64, len(scores))
	for i, score := range scores {
		out[i] = score.TotalScore
	}
	return out, nil
}

func values(list fwk.NodeScoreList) []int64 {
	out := make([]int64, len(list))
	for i, entry := range list {
		out[i] = entry.Score
	}
	return out
}
