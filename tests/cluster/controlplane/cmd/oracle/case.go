package main

import (
	"context"
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/apis/core"

	// Defaults and conversions of the kinds that a case may hold.
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	"k8s.io/kubernetes/pkg/registry/core/pod"
)

// Group is a pod template and the nodes that its pods are on, one pod for each entry.
type Group struct {
	Pod   json.RawMessage `json:"pod"`
	Nodes []string        `json:"nodes"`
	// Started: for each pod the second at which it began; -1 if it is bound and has not begun.
	// Without it, each pod of the case begins a second after the one before.
	Started []int64 `json:"started"`
}

// start returns when one of the group's pods began, the case's pod of that number; nil if it has
// not begun.
func (g *Group) start(i, number int) *metav1.Time {
	second := int64(number)
	if g.Started != nil {
		second = g.Started[i]
	}
	if second < 0 {
		return nil
	}
	started := metav1.Unix(second, 0)
	return &started
}

// Case is one line of the input: a cluster, and the pod that is to be placed.
type Case struct {
	Nodes        []json.RawMessage     `json:"nodes"`
	Groups       []Group               `json:"groups"`
	Namespaces   []*v1.Namespace       `json:"namespaces"`
	Services     []*v1.Service         `json:"services"`
	ReplicaSets  []*appsv1.ReplicaSet  `json:"replicasets"`
	StatefulSets []*appsv1.StatefulSet `json:"statefulsets"`
	// Budgets with the status that the disruption controller gives them.
	Budgets []*policyv1.PodDisruptionBudget `json:"poddisruptionbudgets"`
	Pod     json.RawMessage                 `json:"pod"`
}

// cluster is a case as the API server would hold it.
type cluster struct {
	nodes    []*v1.Node
	existing []*v1.Pod
	pod      *v1.Pod
}

// newCluster decodes a case's nodes and pods, and treats them as the API server does.
func newCluster(c *Case) (*cluster, error) {
	made := &cluster{}
	for _, raw := range c.Nodes {
		node := &v1.Node{}
		if err := json.Unmarshal(raw, node); err != nil {
			return nil, fmt.Errorf("node: %w", err)
		}
		legacyscheme.Scheme.Default(node)
		made.nodes = append(made.nodes, node)
	}
	for g, group := range c.Groups {
		template, err := admit(group.Pod)
		if err != nil {
			return nil, fmt.Errorf("group %d: %w", g, err)
		}
		for i, node := range group.Nodes {
			there := template.DeepCopy()
			there.Name = fmt.Sprintf("%s-%d", template.Name, i)
			there.UID = types.UID(there.Namespace + "/" + there.Name)
			there.Spec.NodeName = node
			there.Status.StartTime = group.start(i, len(made.existing))
			there.Status.Phase = v1.PodRunning
			if there.Status.StartTime == nil {
				there.Status.Phase = v1.PodPending
			}
			made.existing = append(made.existing, there)
		}
	}
	for _, namespace := range c.Namespaces {
		legacyscheme.Scheme.Default(namespace)
	}
	incoming, err := admit(c.Pod)
	if err != nil {
		return nil, fmt.Errorf("pod: %w", err)
	}
	made.pod = incoming
	return made, nil
}

// admit returns a pod with the API server's defaults and changes, or says why it is refused.
func admit(raw json.RawMessage) (*v1.Pod, error) {
	given := &v1.Pod{}
	if err := json.Unmarshal(raw, given); err != nil {
		return nil, err
	}
	legacyscheme.Scheme.Default(given)
	addTolerations(given)
	internal := &core.Pod{}
	if err := legacyscheme.Scheme.Convert(given, internal, nil); err != nil {
		return nil, err
	}
	ctx := context.Background()
	pod.Strategy.PrepareForCreate(ctx, internal)
	if problems := pod.Strategy.Validate(ctx, internal); len(problems) > 0 {
		return nil, problems.ToAggregate()
	}
	var stored runtime.Object = &v1.Pod{}
	if err := legacyscheme.Scheme.Convert(internal, stored, nil); err != nil {
		return nil, err
	}
	admitted := stored.(*v1.Pod)
	admitted.UID = types.UID(admitted.Namespace + "/" + admitted.Name)
	return admitted, nil
}

// addTolerations does what the admission plugin DefaultTolerationSeconds does.
func addTolerations(given *v1.Pod) {
	seconds := int64(300)
	for _, key := range []string{v1.TaintNodeNotReady, v1.TaintNodeUnreachable} {
		given.Spec.Tolerations = append(given.Spec.Tolerations, v1.Toleration{
			Key: key, Operator: v1.TolerationOpExists, Effect: v1.TaintEffectNoExecute,
			TolerationSeconds: &seconds,
		})
	}
}

func pointers[T any, P interface {
	*T
	metav1.Object
}](objects []P) []any {
	out := make([]any, len(objects))
	for i, object := range objects {
		out[i] = object
	}
	return out
}
