package main

import (
	"context"
	"fmt"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/events"
	resourceslicetracker "k8s.io/dynamic-resource-allocation/resourceslice/tracker"
	"k8s.io/klog/v2"
	configv1 "k8s.io/kube-scheduler/config/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	internalqueue "k8s.io/kubernetes/pkg/scheduler/backend/queue"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
)

// snapshotHolder hands the plugins the snapshot of the case at hand.
type snapshotHolder struct{ *internalcache.Snapshot }

// scheduler is the default profile of kube-scheduler without its loop.
type scheduler struct {
	framework  framework.Framework
	informers  informers.SharedInformerFactory
	snapshot   *snapshotHolder
	order      []string // of the plugins, as the profile names them
	plugins    map[string]fwk.Plugin
	preemption *defaultpreemption.DefaultPreemption
}

// newScheduler sets up the framework as pkg/scheduler/scheduler.go does. Its informers are never
// started: each case puts its objects into their stores.
func newScheduler(ctx context.Context) (*scheduler, error) {
	profile, err := defaultProfile()
	if err != nil {
		return nil, err
	}
	client := fake.NewClientset()
	factory := informers.NewSharedInformerFactory(client, 0)
	slices, err := resourceslicetracker.StartTracker(ctx, resourceslicetracker.Options{
		SliceInformer: factory.Resource().V1().ResourceSlices(),
		KubeClient:    client,
	})
	if err != nil {
		return nil, fmt.Errorf("resource slices: %w", err)
	}
	claims := assumecache.NewAssumeCache(
		klog.FromContext(ctx), factory.Resource().V1().ResourceClaims().Informer(), "ResourceClaim", "", nil)

	made := &scheduler{
		informers: factory,
		snapshot:  &snapshotHolder{internalcache.NewEmptySnapshot()},
		plugins:   map[string]fwk.Plugin{},
	}
	registry := plugins.NewInTreeRegistry()
	for name, factory := range registry {
		registry[name] = made.remember(name, factory)
	}
	made.framework, err = frameworkruntime.NewFramework(ctx, registry, profile,
		frameworkruntime.WithClientSet(client),
		frameworkruntime.WithInformerFactory(factory),
		frameworkruntime.WithEventRecorder(&events.FakeRecorder{}),
		frameworkruntime.WithSharedDRAManager(dynamicresources.NewDRAManager(ctx, claims, slices, factory)),
		frameworkruntime.WithSharedCSIManager(
			nodevolumelimits.NewCSIManager(factory.Storage().V1().CSINodes().Lister())),
		frameworkruntime.WithSnapshotSharedLister(made.snapshot),
		frameworkruntime.WithMetricsRecorder(metrics.NewMetricsAsyncRecorder(1000, time.Second, ctx.Done())),
		frameworkruntime.WithWaitingPods(frameworkruntime.NewWaitingPodsMap()),
		frameworkruntime.WithPodsInPreBind(frameworkruntime.NewPodsInPreBindMap()),
	)
	if err != nil {
		return nil, fmt.Errorf("framework: %w", err)
	}
	queue := internalqueue.NewSchedulingQueue(made.framework.QueueSortFunc(), factory)
	made.framework.SetPodNominator(queue)
	made.framework.SetPodActivator(queue)
	for _, plugin := range profile.Plugins.MultiPoint.Enabled {
		made.order = append(made.order, plugin.Name)
	}
	made.preemption = made.plugins[defaultpreemption.Name].(*defaultpreemption.DefaultPreemption)
	return made, nil
}

// remember makes a plugin's factory keep the plugin that it makes: the framework hides them.
func (s *scheduler) remember(name string, factory frameworkruntime.PluginFactory) frameworkruntime.PluginFactory {
	return func(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
		plugin, err := factory(ctx, args, handle)
		s.plugins[name] = plugin
		return plugin, err
	}
}

func defaultProfile() (*config.KubeSchedulerProfile, error) {
	versioned := configv1.KubeSchedulerConfiguration{}
	scheme.Scheme.Default(&versioned)
	defaults := config.KubeSchedulerConfiguration{}
	if err := scheme.Scheme.Convert(&versioned, &defaults, nil); err != nil {
		return nil, fmt.Errorf("default profile: %w", err)
	}
	return &defaults.Profiles[0], nil
}

// load puts a case's objects where the plugins look for them.
func (s *scheduler) load(ctx context.Context, c *Case, made *cluster) error {
	core, apps := s.informers.Core().V1(), s.informers.Apps().V1()
	for _, filled := range []struct {
		store   cache.SharedIndexInformer
		objects []any
	}{
		{core.Namespaces().Informer(), pointers(c.Namespaces)},
		{core.Services().Informer(), pointers(c.Services)},
		{apps.ReplicaSets().Informer(), pointers(c.ReplicaSets)},
		{apps.StatefulSets().Informer(), pointers(c.StatefulSets)},
		{s.informers.Policy().V1().PodDisruptionBudgets().Informer(), pointers(c.Budgets)},
		{core.Pods().Informer(), pointers([]*v1.Pod{made.pod})},
		{core.Nodes().Informer(), pointers(made.nodes)},
	} {
		if err := filled.store.GetStore().Replace(filled.objects, "1"); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	known := internalcache.New(ctx, nil, false)
	logger := klog.FromContext(ctx)
	for _, node := range made.nodes {
		known.AddNode(logger, node)
	}
	for _, pod := range made.existing {
		if err := known.AddPod(logger, pod); err != nil {
			return err
		}
	}
	snapshot := internalcache.NewEmptySnapshot()
	if err := known.UpdateSnapshot(logger, snapshot); err != nil {
		return err
	}
	s.snapshot.Snapshot = snapshot
	return nil
}
