PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE studies (
	study_id INTEGER NOT NULL, 
	study_name VARCHAR(512) NOT NULL, 
	PRIMARY KEY (study_id)
);
INSERT INTO studies VALUES(1,'old');
CREATE TABLE version_info (
	version_info_id INTEGER NOT NULL, 
	schema_version INTEGER, 
	library_version VARCHAR(256), 
	PRIMARY KEY (version_info_id), 
	CHECK (version_info_id=1)
);
INSERT INTO version_info VALUES(1,12,'5.0.0');
CREATE TABLE study_directions (
	study_direction_id INTEGER NOT NULL, 
	direction VARCHAR(8) NOT NULL, 
	study_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	PRIMARY KEY (study_direction_id), 
	UNIQUE (study_id, objective), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO study_directions VALUES(1,'MAXIMIZE',1,0);
INSERT INTO study_directions VALUES(2,'MINIMIZE',1,1);
CREATE TABLE study_user_attributes (
	study_user_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_user_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE study_system_attributes (
	study_system_attribute_id INTEGER NOT NULL, 
	study_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (study_system_attribute_id), 
	UNIQUE (study_id, "key"), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
CREATE TABLE trials (
	trial_id INTEGER NOT NULL, 
	number INTEGER, 
	study_id INTEGER, 
	state VARCHAR(8) NOT NULL, 
	datetime_start DATETIME, 
	datetime_complete DATETIME, 
	PRIMARY KEY (trial_id), 
	FOREIGN KEY(study_id) REFERENCES studies (study_id)
);
INSERT INTO trials VALUES(1,0,1,'COMPLETE','2026-11-25 09:43:42.405863','2026-11-25 09:43:43.056782');
INSERT INTO trials VALUES(2,1,1,'COMPLETE','2026-11-25 09:43:43.109391','2026-11-25 09:43:43.609719');
INSERT INTO trials VALUES(3,2,1,'COMPLETE','2026-11-25 09:43:43.683182','2026-11-25 09:43:44.050006');
INSERT INTO trials VALUES(4,3,1,'COMPLETE','2026-11-25 09:43:44.110092','2026-11-25 09:43:44.529841');
INSERT INTO trials VALUES(5,4,1,'COMPLETE','2026-11-25 09:43:44.574646','2026-11-25 09:43:44.945784');
INSERT INTO trials VALUES(6,5,1,'COMPLETE','2026-11-25 09:43:45.002021','2026-11-25 09:43:45.328696');
INSERT INTO trials VALUES(7,6,1,'COMPLETE','2026-11-25 09:43:45.369404','2026-11-25 09:43:45.745647');
INSERT INTO trials VALUES(8,7,1,'COMPLETE','2026-11-25 09:43:45.785832','2026-11-25 09:43:46.209723');
INSERT INTO trials VALUES(9,8,1,'COMPLETE','2026-11-25 09:43:46.258034','2026-11-25 09:43:46.638920');
INSERT INTO trials VALUES(10,9,1,'COMPLETE','2026-11-25 09:43:46.681638','2026-11-25 09:43:47.068218');
INSERT INTO trials VALUES(11,10,1,'COMPLETE','2026-11-25 09:43:47.126862','2026-11-25 09:43:47.513533');
INSERT INTO trials VALUES(12,11,1,'COMPLETE','2026-11-25 09:43:47.562464','2026-11-25 09:44:10.213486');
INSERT INTO trials VALUES(13,12,1,'COMPLETE','2026-11-25 09:44:10.240815','2026-11-25 09:44:10.590345');
CREATE TABLE trial_user_attributes (
	trial_user_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_user_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO trial_user_attributes VALUES(1,1,'cell','"[]"');
INSERT INTO trial_user_attributes VALUES(2,1,'level','0');
INSERT INTO trial_user_attributes VALUES(3,1,'role','"empty"');
INSERT INTO trial_user_attributes VALUES(4,2,'cell','"[(-2, ''identity'', -2, ''identity'')]"');
INSERT INTO trial_user_attributes VALUES(5,2,'level','1');
INSERT INTO trial_user_attributes VALUES(6,2,'role','"first"');
INSERT INTO trial_user_attributes VALUES(7,3,'cell','"[(-2, ''identity'', -2, ''3x3 conv'')]"');
INSERT INTO trial_user_attributes VALUES(8,3,'level','1');
INSERT INTO trial_user_attributes VALUES(9,3,'role','"first"');
INSERT INTO trial_user_attributes VALUES(10,4,'cell','"[(-2, ''identity'', -1, ''identity'')]"');
INSERT INTO trial_user_attributes VALUES(11,4,'level','1');
INSERT INTO trial_user_attributes VALUES(12,4,'role','"first"');
INSERT INTO trial_user_attributes VALUES(13,5,'cell','"[(-2, ''identity'', -1, ''3x3 conv'')]"');
INSERT INTO trial_user_attributes VALUES(14,5,'level','1');
INSERT INTO trial_user_attributes VALUES(15,5,'role','"first"');
INSERT INTO trial_user_attributes VALUES(16,6,'cell','"[(-2, ''3x3 conv'', -2, ''3x3 conv'')]"');
INSERT INTO trial_user_attributes VALUES(17,6,'level','1');
INSERT INTO trial_user_attributes VALUES(18,6,'role','"first"');
INSERT INTO trial_user_attributes VALUES(19,7,'cell','"[(-2, ''3x3 conv'', -1, ''identity'')]"');
INSERT INTO trial_user_attributes VALUES(20,7,'level','1');
INSERT INTO trial_user_attributes VALUES(21,7,'role','"first"');
INSERT INTO trial_user_attributes VALUES(22,8,'cell','"[(-2, ''3x3 conv'', -1, ''3x3 conv'')]"');
INSERT INTO trial_user_attributes VALUES(23,8,'level','1');
INSERT INTO trial_user_attributes VALUES(24,8,'role','"first"');
INSERT INTO trial_user_attributes VALUES(25,9,'cell','"[(-1, ''identity'', -1, ''identity'')]"');
INSERT INTO trial_user_attributes VALUES(26,9,'level','1');
INSERT INTO trial_user_attributes VALUES(27,9,'role','"first"');
INSERT INTO trial_user_attributes VALUES(28,10,'cell','"[(-1, ''identity'', -1, ''3x3 conv'')]"');
INSERT INTO trial_user_attributes VALUES(29,10,'level','1');
INSERT INTO trial_user_attributes VALUES(30,10,'role','"first"');
INSERT INTO trial_user_attributes VALUES(31,11,'cell','"[(-1, ''3x3 conv'', -1, ''3x3 conv'')]"');
INSERT INTO trial_user_attributes VALUES(32,11,'level','1');
INSERT INTO trial_user_attributes VALUES(33,11,'role','"first"');
INSERT INTO trial_user_attributes VALUES(34,12,'cell','"[(-2, ''identity'', -1, ''3x3 conv''), (-2, ''identity'', -1, ''3x3 conv'')]"');
INSERT INTO trial_user_attributes VALUES(35,12,'level','2');
INSERT INTO trial_user_attributes VALUES(36,12,'role','"front"');
INSERT INTO trial_user_attributes VALUES(37,12,'predicted_accuracy','0.611304');
INSERT INTO trial_user_attributes VALUES(38,12,'predicted_seconds','5.4');
INSERT INTO trial_user_attributes VALUES(39,13,'cell','"[(-2, ''identity'', -2, ''3x3 conv''), (-2, ''identity'', -2, ''3x3 conv'')]"');
INSERT INTO trial_user_attributes VALUES(40,13,'level','2');
INSERT INTO trial_user_attributes VALUES(41,13,'role','"front"');
INSERT INTO trial_user_attributes VALUES(42,13,'predicted_accuracy','0.610968');
INSERT INTO trial_user_attributes VALUES(43,13,'predicted_seconds','5.4');
CREATE TABLE trial_system_attributes (
	trial_system_attribute_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	"key" VARCHAR(512), 
	value_json TEXT, 
	PRIMARY KEY (trial_system_attribute_id), 
	UNIQUE (trial_id, "key"), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO trial_system_attributes VALUES(1,1,'popnas:lead','{"version": 1, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623", "plan": 0}');
INSERT INTO trial_system_attributes VALUES(2,1,'popnas:plan:0','{"version": 1, "plan": {"version": 1, "space": "7e07b9228f34f75c", "level": 0, "wave": 0, "cells": [[]], "roles": ["empty"], "facts": {}}, "fenced": [], "setup": {"space": {"operators": ["identity", "3x3 conv"], "max_blocks": 3, "lookbacks": 2}, "settings": {"mode": "popnas", "max_children": 4, "max_exploration_children": 2, "time_limit": null, "limits": {}, "objectives": [], "reserve": 0, "pilot": 0, "probes": 24, "optimism": 0.0, "max_candidates": 4000000, "accuracy_predictor": "default", "time_predictor": "default", "max_tries": 3, "seed": 0}}}');
INSERT INTO trial_system_attributes VALUES(3,1,'popnas:claim','{"version": 1, "plan": 0, "place": 0, "cell": "[]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(4,2,'popnas:lead','{"version": 1, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623", "plan": 1}');
INSERT INTO trial_system_attributes VALUES(5,2,'popnas:plan:1','{"version": 1, "plan": {"version": 1, "space": "7e07b9228f34f75c", "level": 1, "wave": 0, "cells": [[-2, 0, -2, 0], [-2, 0, -2, 1], [-2, 0, -1, 0], [-2, 0, -1, 1], [-2, 1, -2, 1], [-2, 1, -1, 0], [-2, 1, -1, 1], [-1, 0, -1, 0], [-1, 0, -1, 1], [-1, 1, -1, 1]], "roles": ["first", "first", "first", "first", "first", "first", "first", "first", "first", "first"], "facts": {"candidates": 10}}, "fenced": []}');
INSERT INTO trial_system_attributes VALUES(6,2,'popnas:claim','{"version": 1, "plan": 1, "place": 0, "cell": "[(-2, ''identity'', -2, ''identity'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(7,3,'popnas:claim','{"version": 1, "plan": 1, "place": 1, "cell": "[(-2, ''identity'', -2, ''3x3 conv'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(8,4,'popnas:claim','{"version": 1, "plan": 1, "place": 2, "cell": "[(-2, ''identity'', -1, ''identity'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(9,5,'popnas:claim','{"version": 1, "plan": 1, "place": 3, "cell": "[(-2, ''identity'', -1, ''3x3 conv'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(10,6,'popnas:claim','{"version": 1, "plan": 1, "place": 4, "cell": "[(-2, ''3x3 conv'', -2, ''3x3 conv'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(11,7,'popnas:claim','{"version": 1, "plan": 1, "place": 5, "cell": "[(-2, ''3x3 conv'', -1, ''identity'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(12,8,'popnas:claim','{"version": 1, "plan": 1, "place": 6, "cell": "[(-2, ''3x3 conv'', -1, ''3x3 conv'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(13,9,'popnas:claim','{"version": 1, "plan": 1, "place": 7, "cell": "[(-1, ''identity'', -1, ''identity'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(14,10,'popnas:claim','{"version": 1, "plan": 1, "place": 8, "cell": "[(-1, ''identity'', -1, ''3x3 conv'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(15,11,'popnas:claim','{"version": 1, "plan": 1, "place": 9, "cell": "[(-1, ''3x3 conv'', -1, ''3x3 conv'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(16,12,'popnas:lead','{"version": 1, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623", "plan": 2}');
INSERT INTO trial_system_attributes VALUES(17,12,'popnas:plan:2','{"version": 1, "plan": {"version": 1, "space": "7e07b9228f34f75c", "level": 2, "wave": 0, "cells": [[-2, 0, -1, 1, -2, 0, -1, 1], [-2, 0, -2, 1, -2, 0, -2, 1], [-2, 0, -1, 1, -2, 0, 0, 1], [-2, 0, -2, 1, 0, 0, 0, 1]], "roles": ["front", "front", "exploration", "exploration"], "accuracy": [0.611304, 0.610968, 0.60412, 0.594162], "seconds": [5.4, 5.4, 5.4, 5.4], "accuracy_std": [0.0172054, 0.0179044, 0.0133066, 0.00881643], "seconds_std": [5.69856, 5.69856, 5.69856, 5.69856], "facts": {"parents": 10, "encodings": 210, "candidates": 165, "sampled": false, "fit_accuracy_seconds": 6.902, "fit_time_seconds": 10.166, "probe_seconds": 0.0, "probes": [], "over_limit": 0, "sample": [[0.6101, 5.4], [0.6072, 5.4], [0.601, 5.4], [0.591, 5.4], [0.6072, 5.4], [0.5977, 5.4], [0.604, 5.4], [0.5924, 5.4], [0.5998, 5.4], [0.5933, 5.4], [0.602, 5.4], [0.6, 5.4], [0.6011, 5.4], [0.6032, 5.4], [0.6084, 5.4], [0.5979, 5.4], [0.6094, 5.4], [0.6102, 5.4], [0.6111, 5.4], [0.6001, 5.4], [0.611, 5.4], [0.6001, 5.4], [0.6012, 5.4], [0.5932, 5.4], [0.5923, 5.4], [0.6019, 5.4], [0.6064, 5.4], [0.6071, 5.4], [0.6001, 5.4], [0.6011, 5.4], [0.6021, 5.4], [0.6, 5.4], [0.6081, 5.4], [0.602, 5.4], [0.5933, 5.4], [0.6092, 5.4], [0.5999, 5.4], [0.6083, 5.4], [0.5912, 5.4], [0.5943, 5.4], [0.6009, 5.4], [0.608, 5.4], [0.6092, 5.4], [0.602, 5.4], [0.5942, 5.4], [0.6093, 5.4], [0.5934, 5.4], [0.6011, 5.4], [0.5922, 5.4], [0.6094, 5.4], [0.6002, 5.4], [0.5924, 5.4], [0.5977, 5.4], [0.6104, 5.4], [0.5923, 5.4], [0.605, 5.4], [0.6062, 5.4], [0.5903, 5.4], [0.5901, 5.4], [0.5988, 5.4], [0.6083, 5.4], [0.599, 5.4], [0.5999, 5.4], [0.6091, 5.4], [0.6073, 5.4], [0.6084, 5.4], [0.6031, 5.4], [0.5987, 5.4], [0.5991, 5.4], [0.5902, 5.4], [0.6021, 5.4], [0.6041, 5.4], [0.6022, 5.4], [0.5997, 5.4], [0.6081, 5.4], [0.6069, 5.4], [0.6084, 5.4], [0.6082, 5.4], [0.5968, 5.4], [0.6103, 5.4], [0.6018, 5.4], [0.6011, 5.4], [0.6103, 5.4], [0.6093, 5.4], [0.6031, 5.4], [0.5991, 5.4], [0.5924, 5.4], [0.6059, 5.4], [0.6073, 5.4], [0.6009, 5.4], [0.5991, 5.4], [0.6102, 5.4], [0.599, 5.4], [0.6, 5.4], [0.5923, 5.4], [0.6074, 5.4], [0.6009, 5.4], [0.6031, 5.4], [0.6082, 5.4], [0.601, 5.4], [0.6021, 5.4], [0.5933, 5.4], [0.599, 5.4], [0.6093, 5.4], [0.6093, 5.4], [0.597, 5.4], [0.601, 5.4], [0.6, 5.4], [0.5914, 5.4], [0.5932, 5.4], [0.6051, 5.4], [0.6008, 5.4], [0.5999, 5.4], [0.5986, 5.4], [0.6019, 5.4], [0.6031, 5.4], [0.6022, 5.4], [0.6021, 5.4], [0.6081, 5.4], [0.6094, 5.4], [0.6113, 5.4], [0.592, 5.4], [0.6089, 5.4], [0.6021, 5.4], [0.6053, 5.4], [0.6021, 5.4], [0.5924, 5.4], [0.6071, 5.4], [0.6009, 5.4], [0.5999, 5.4], [0.5981, 5.4], [0.5911, 5.4], [0.6072, 5.4], [0.6101, 5.4], [0.603, 5.4], [0.5934, 5.4], [0.59, 5.4], [0.5999, 5.4], [0.6094, 5.4], [0.598, 5.4], [0.6074, 5.4], [0.6001, 5.4], [0.6094, 5.4], [0.6009, 5.4], [0.6011, 5.4], [0.599, 5.4], [0.6001, 5.4], [0.601, 5.4], [0.5979, 5.4], [0.6001, 5.4], [0.591, 5.4], [0.6072, 5.4], [0.5934, 5.4], [0.601, 5.4], [0.5913, 5.4], [0.608, 5.4], [0.6061, 5.4], [0.6103, 5.4], [0.6031, 5.4], [0.5925, 5.4], [0.5988, 5.4], [0.6092, 5.4], [0.5989, 5.4], [0.601, 5.4], [0.603, 5.4]], "front": 2, "exploration_inputs": [0], "exploration_operators": [], "exploration": 2, "plan_seconds": 18.006}}, "fenced": []}');
INSERT INTO trial_system_attributes VALUES(18,12,'popnas:claim','{"version": 1, "plan": 2, "place": 0, "cell": "[(-2, ''identity'', -1, ''3x3 conv''), (-2, ''identity'', -1, ''3x3 conv'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
INSERT INTO trial_system_attributes VALUES(19,13,'popnas:claim','{"version": 1, "plan": 2, "place": 1, "cell": "[(-2, ''identity'', -2, ''3x3 conv''), (-2, ''identity'', -2, ''3x3 conv'')]", "attempt": 1, "waited": 0.0, "worker": "vm:20687", "process": "1411cb1f35ce:20687:2126623"}');
CREATE TABLE trial_params (
	param_id INTEGER NOT NULL, 
	trial_id INTEGER, 
	param_name VARCHAR(512), 
	param_value FLOAT, 
	distribution_json TEXT, 
	PRIMARY KEY (param_id), 
	UNIQUE (trial_id, param_name), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO trial_params VALUES(1,1,'blocks',0.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(2,2,'blocks',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(3,2,'b0_in1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(4,2,'b0_op1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(5,2,'b0_in2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(6,2,'b0_op2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(7,3,'blocks',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(8,3,'b0_in1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(9,3,'b0_op1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(10,3,'b0_in2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(11,3,'b0_op2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(12,4,'blocks',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(13,4,'b0_in1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(14,4,'b0_op1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(15,4,'b0_in2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(16,4,'b0_op2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(17,5,'blocks',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(18,5,'b0_in1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(19,5,'b0_op1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(20,5,'b0_in2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(21,5,'b0_op2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(22,6,'blocks',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(23,6,'b0_in1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(24,6,'b0_op1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(25,6,'b0_in2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(26,6,'b0_op2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(27,7,'blocks',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(28,7,'b0_in1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(29,7,'b0_op1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(30,7,'b0_in2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(31,7,'b0_op2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(32,8,'blocks',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(33,8,'b0_in1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(34,8,'b0_op1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(35,8,'b0_in2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(36,8,'b0_op2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(37,9,'blocks',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(38,9,'b0_in1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(39,9,'b0_op1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(40,9,'b0_in2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(41,9,'b0_op2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(42,10,'blocks',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(43,10,'b0_in1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(44,10,'b0_op1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(45,10,'b0_in2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(46,10,'b0_op2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(47,11,'blocks',1.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(48,11,'b0_in1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(49,11,'b0_op1',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(50,11,'b0_in2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(51,11,'b0_op2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(52,12,'blocks',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(53,12,'b0_in1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(54,12,'b0_op1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(55,12,'b0_in2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(56,12,'b0_op2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(57,12,'b1_in1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1, 0]}}');
INSERT INTO trial_params VALUES(58,12,'b1_op1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(59,12,'b1_in2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1, 0]}}');
INSERT INTO trial_params VALUES(60,12,'b1_op2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(61,13,'blocks',2.0,'{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}');
INSERT INTO trial_params VALUES(62,13,'b0_in1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(63,13,'b0_op1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(64,13,'b0_in2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1]}}');
INSERT INTO trial_params VALUES(65,13,'b0_op2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(66,13,'b1_in1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1, 0]}}');
INSERT INTO trial_params VALUES(67,13,'b1_op1',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
INSERT INTO trial_params VALUES(68,13,'b1_in2',0.0,'{"name": "CategoricalDistribution", "attributes": {"choices": [-2, -1, 0]}}');
INSERT INTO trial_params VALUES(69,13,'b1_op2',1.0,'{"name": "CategoricalDistribution", "attributes": {"choices": ["identity", "3x3 conv"]}}');
CREATE TABLE trial_values (
	trial_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	objective INTEGER NOT NULL, 
	value FLOAT, 
	value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_value_id), 
	UNIQUE (trial_id, objective), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
INSERT INTO trial_values VALUES(1,1,0,0.5,'FINITE');
INSERT INTO trial_values VALUES(2,1,1,1.1999999999999999555,'FINITE');
INSERT INTO trial_values VALUES(3,2,0,0.57999999999999996003,'FINITE');
INSERT INTO trial_values VALUES(4,2,1,5.4000000000000003552,'FINITE');
INSERT INTO trial_values VALUES(5,3,0,0.57999999999999996003,'FINITE');
INSERT INTO trial_values VALUES(6,3,1,5.4000000000000003552,'FINITE');
INSERT INTO trial_values VALUES(7,4,0,0.57999999999999996003,'FINITE');
INSERT INTO trial_values VALUES(8,4,1,5.4000000000000003552,'FINITE');
INSERT INTO trial_values VALUES(9,5,0,0.57999999999999996003,'FINITE');
INSERT INTO trial_values VALUES(10,5,1,5.4000000000000003552,'FINITE');
INSERT INTO trial_values VALUES(11,6,0,0.57999999999999996003,'FINITE');
INSERT INTO trial_values VALUES(12,6,1,5.4000000000000003552,'FINITE');
INSERT INTO trial_values VALUES(13,7,0,0.57999999999999996003,'FINITE');
INSERT INTO trial_values VALUES(14,7,1,5.4000000000000003552,'FINITE');
INSERT INTO trial_values VALUES(15,8,0,0.57999999999999996003,'FINITE');
INSERT INTO trial_values VALUES(16,8,1,5.4000000000000003552,'FINITE');
INSERT INTO trial_values VALUES(17,9,0,0.57999999999999996003,'FINITE');
INSERT INTO trial_values VALUES(18,9,1,5.4000000000000003552,'FINITE');
INSERT INTO trial_values VALUES(19,10,0,0.57999999999999996003,'FINITE');
INSERT INTO trial_values VALUES(20,10,1,5.4000000000000003552,'FINITE');
INSERT INTO trial_values VALUES(21,11,0,0.57999999999999996003,'FINITE');
INSERT INTO trial_values VALUES(22,11,1,5.4000000000000003552,'FINITE');
INSERT INTO trial_values VALUES(23,12,0,0.60666666666666668739,'FINITE');
INSERT INTO trial_values VALUES(24,12,1,9.8000000000000007105,'FINITE');
INSERT INTO trial_values VALUES(25,13,0,0.60666666666666668739,'FINITE');
INSERT INTO trial_values VALUES(26,13,1,9.8000000000000007105,'FINITE');
CREATE TABLE trial_intermediate_values (
	trial_intermediate_value_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	intermediate_value FLOAT, 
	intermediate_value_type VARCHAR(7) NOT NULL, 
	PRIMARY KEY (trial_intermediate_value_id), 
	UNIQUE (trial_id, step), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE trial_heartbeats (
	trial_heartbeat_id INTEGER NOT NULL, 
	trial_id INTEGER NOT NULL, 
	heartbeat DATETIME NOT NULL, 
	PRIMARY KEY (trial_heartbeat_id), 
	UNIQUE (trial_id), 
	FOREIGN KEY(trial_id) REFERENCES trials (trial_id)
);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO alembic_version VALUES('v3.2.0.a');
CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);
CREATE INDEX ix_trials_study_id ON trials (study_id);
COMMIT;
