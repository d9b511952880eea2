package main

import (
	"context"
	"errors"
	"fmt"
	"sort"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// explain writes the message of a pod that fits nowhere, as pkg/scheduler/schedule_one.go makes
// it: findNodesThatFitPod, then the PostFilter plugins. Nothing is evicted: where preemption has
// candidates, they are written instead, and the message is that of the filters alone.
func (s *scheduler) explain(
	ctx context.Context, c *Case, pod *v1.Pod, nodes []fwk.NodeInfo, answer *Answer,
) error {
	if len(nodes) == 0 {
		answer.Message = "no nodes available to schedule pods"
		return nil
	}
	state := framework.NewCycleState()
	diagnosis := framework.Diagnosis{NodeToStatus: framework.NewDefaultNodeToStatus()}
	if err := s.diagnose(ctx, state, pod, nodes, &diagnosis); err != nil {
		return err
	}
	if err := s.preempt(ctx, c, state, pod, &diagnosis, answer); err != nil {
		return err
	}
	if len(answer.Victims) == 0 {
		result, status := s.framework.RunPostFilterPlugins(ctx, state, pod, diagnosis.NodeToStatus)
		// An error is told like any other status: it is all that a pod with a missing claim gets.
		if result != nil && result.NominatingInfo != nil && result.NominatedNodeName != "" {
			return errors.New("preemption found a node that the dry run did not")
		}
		diagnosis.PostFilterMsg = status.Message()
	}
	fitError := framework.FitError{Pod: pod, NumAllNodes: len(nodes), Diagnosis: diagnosis}
	answer.Message = fitError.Error()
	return nil
}

// diagnose runs the framework's PreFilter and Filter, which stop at the first plugin that rejects.
func (s *scheduler) diagnose(
	ctx context.Context, state fwk.CycleState, pod *v1.Pod, nodes []fwk.NodeInfo, diagnosis *framework.Diagnosis,
) error {
	result, status, rejecting := s.framework.RunPreFilterPlugins(ctx, state, pod)
	if !status.IsSuccess() {
		if !status.IsRejected() {
			return status.AsError()
		}
		diagnosis.NodeToStatus.SetAbsentNodesStatus(status)
		diagnosis.PreFilterMsg = status.Message()
		return nil
	}
	if !result.AllNodes() {
		diagnosis.NodeToStatus.SetAbsentNodesStatus(fwk.NewStatus(fwk.UnschedulableAndUnresolvable,
			fmt.Sprintf("node(s) didn't satisfy plugin(s) %v", sets.List(rejecting))))
	}
	for _, node := range nodes {
		if !result.AllNodes() && !result.NodeNames.Has(node.Node().Name) {
			continue
		}
		status := s.framework.RunFilterPluginsWithNominatedPods(ctx, state, pod, node)
		if status.Code() == fwk.Error {
			return status.AsError()
		}
		if !status.IsSuccess() {
			diagnosis.NodeToStatus.Set(node.Node().Name, status)
		}
	}
	return nil
}

// preempt writes the candidates of DefaultPreemption and their victims, without evicting them.
func (s *scheduler) preempt(
	ctx context.Context, c *Case, state fwk.CycleState, pod *v1.Pod, diagnosis *framework.Diagnosis,
	answer *Answer,
) error {
	if eligible, _ := s.preemption.PodEligibleToPreemptOthers(ctx, pod, nil); !eligible {
		return nil
	}
	potential, err := diagnosis.NodeToStatus.NodesForStatusCode(s.snapshot.NodeInfos(), fwk.Unschedulable)
	if err != nil || len(potential) == 0 {
		return err
	}
	candidates, _, err := s.preemption.Evaluator.DryRunPreemption(
		ctx, state, pod, potential, c.Budgets, 0, int32(len(potential)))
	if err != nil {
		return err
	}
	answer.Victims, answer.Violations = map[string][]string{}, map[string]int64{}
	for _, candidate := range candidates {
		victims := []string{}
		for _, victim := range candidate.Victims().Pods {
			victims = append(victims, victim.Namespace+"/"+victim.Name)
		}
		sort.Strings(victims)
		answer.Victims[candidate.Name()] = victims
		if count := candidate.Victims().NumPDBViolations; count > 0 {
			answer.Violations[candidate.Name()] = count
		}
	}
	if chosen := s.preemption.Evaluator.SelectCandidate(ctx, candidates); chosen != nil {
		answer.Nominated = chosen.Name()
	}
	return nil
}
